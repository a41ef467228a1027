// Signed product in two cycles: operand registers, then the product register.
module rnn_product #(
    parameter A_WIDTH = 18,
    parameter B_WIDTH = 18
) (
    input  wire                       clk,
    input  wire [A_WIDTH-1:0]         a,
    input  wire [B_WIDTH-1:0]         b,
    output reg  [A_WIDTH+B_WIDTH-1:0] product
);
    reg signed [A_WIDTH-1:0] a1;
    reg signed [B_WIDTH-1:0] b1;

    always @(posedge clk) begin
        a1      <= a;
        b1      <= b;
        product <= a1 * b1;
    end
endmodule
