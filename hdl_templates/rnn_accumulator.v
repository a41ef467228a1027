// Accumulator of one row of rnn_mac_slice, and the register that holds a finished sum beside it.
//
//   sum      of a word;  clear: the next sum starts anew
//   take     with this sum the row's sum is finished: held is it, else what is above (the row behind, in a shift register)
//   SPLIT    1: clear_h ends one sum and begins another; the first of the two leaves as held_x, together with held
//
// The accumulator is cleared one cycle before the first word reaches it, through the registers'
// synchronous reset, so that no logic stands before or behind its adder.
`default_nettype none
module rnn_accumulator #(
    parameter WIDTH = 36,
    parameter SPLIT = 0
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] sum,
    input  wire             clear,
    input  wire             clear_h,
    input  wire             take,
    input  wire [WIDTH-1:0] above,
    input  wire [WIDTH-1:0] above_x,
    output wire [WIDTH-1:0] held,
    output wire [WIDTH-1:0] held_x
);
    reg  [WIDTH-1:0] total, result;
    wire [WIDTH-1:0] next = total + sum;
    wire             restart;
    generate
        if (SPLIT != 0) begin : g_split
            reg [WIDTH-1:0] total_x, result_x;
            always @(posedge clk) begin
                if (clear_h) total_x <= next;
                result_x <= take ? total_x : above_x;
            end
            assign held_x  = result_x;
            assign restart = clear | clear_h;
        end else begin : g_whole
            wire unused = &{1'b0, clear_h, above_x};
            assign held_x  = {WIDTH{1'b0}};
            assign restart = clear;
        end
    endgenerate
    always @(posedge clk) begin
        total  <= restart ? {WIDTH{1'b0}} : next;
        result <= take ? next : above;
    end
    assign held = result;
endmodule
`default_nettype wire
