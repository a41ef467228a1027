// A line that loses and changes words at will.
//
// The check of a frame is abstract: it holds if and only if the words since the start flag are the words of one frame
// that was sent, all of them, unchanged.  So it fails from a word that was lost or changed until the next frame begins;
// a wrong start flag does not make it true.
module line #(
    parameter WIDTH = 32
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] sent,
    input  wire             sent_start,
    input  wire             sent_valid,
    input  wire             lose,      // this word
    input  wire             change,
    input  wire [WIDTH-1:0] other,     // into this
    input  wire             other_start,
    output reg  [WIDTH-1:0] word,
    output reg              start,
    output reg              valid,
    output reg              truth      // if this word ends a frame, its check holds
);
    initial begin
        word = 0; start = 0; valid = 0; truth = 0;
    end
    always @(posedge clk) begin
        valid <= sent_valid && !lose;
        if (sent_valid) begin
            word <= change ? other : sent;
            start <= change ? other_start : sent_start;
            truth <= (sent_start || truth) && !lose && !change;
        end
    end
endmodule
