// Signed product in STAGES cycles: 0: no register; 1: a register of the product; 2: registers of the operands, too.
module rnn_product #(
    parameter A_WIDTH = 18,
    parameter B_WIDTH = 18,
    parameter STAGES = 2
) (
    input  wire                       clk,
    input  wire [A_WIDTH-1:0]         a,
    input  wire [B_WIDTH-1:0]         b,
    output wire [A_WIDTH+B_WIDTH-1:0] product
);
    wire signed [A_WIDTH-1:0] a1;
    wire signed [B_WIDTH-1:0] b1;

    rnn_delay #(.WIDTH(A_WIDTH+B_WIDTH), .CYCLES(STAGES > 1 ? STAGES - 1 : 0)) operands (.clk(clk), .in({a, b}), .out({a1, b1}));
    wire signed [A_WIDTH+B_WIDTH-1:0] now = a1 * b1;
    rnn_delay #(.WIDTH(A_WIDTH+B_WIDTH), .CYCLES(STAGES > 0 ? 1 : 0)) result (.clk(clk), .in(now), .out(product));
endmodule
