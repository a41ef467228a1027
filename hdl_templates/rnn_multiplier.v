// Signed multiplier with registers, inferred: product of cycle n appears in cycle n + STAGES.
//
//   STAGES 0: no register; 1: output register; 2: input and output; 3: input, pipeline, output;
//   4 and more: further registers behind.
// No reset and no enable: a value is taken every cycle.
`default_nettype none
module rnn_multiplier #(
    parameter A_WIDTH = 8,
    parameter B_WIDTH = 16,
    parameter STAGES  = 1
) (
    input  wire                               clk,
    input  wire signed [A_WIDTH-1:0]          a,
    input  wire signed [B_WIDTH-1:0]          b,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product
);
    localparam WIDTH  = A_WIDTH + B_WIDTH;
    localparam BEHIND = STAGES > 1 ? STAGES - 1 : STAGES;

    wire signed [A_WIDTH-1:0] a_in;
    wire signed [B_WIDTH-1:0] b_in;
    generate
        if (STAGES > 1) begin : g_input
            reg signed [A_WIDTH-1:0] a_reg;
            reg signed [B_WIDTH-1:0] b_reg;
            always @(posedge clk) begin
                a_reg <= a;
                b_reg <= b;
            end
            assign a_in = a_reg;
            assign b_in = b_reg;
        end else begin : g_direct
            assign a_in = a;
            assign b_in = b;
        end
    endgenerate

    wire signed [WIDTH-1:0] now = a_in * b_in;
    rnn_delay #(.WIDTH(WIDTH), .CYCLES(BEHIND)) delay_product (.clk(clk), .in(now), .out(product));

    initial if (STAGES < 0) begin
        $display("rnn_multiplier: STAGES must not be negative, not %0d.", STAGES);
        $finish;
    end
endmodule
`default_nettype wire
