// A sum with its bias, narrowed, and tanh or sigmoid of it: z NARROW_STAGES behind the sum, together with saturated, and
// out TABLE_STAGES behind z (OPEN: one cycle less). Parameters as in rnn_narrow and rnn_activation.
module rnn_gate #(
    parameter ACC_WIDTH = 32,
    parameter BIAS_WIDTH = 26,
    parameter SHIFT = 10,
    parameter Z_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter OUT_WIDTH = 17,
    parameter SIGMOID = 0,
    parameter SIGNED_TABLE = 0,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter OPEN = 0,
    parameter INIT_FILE = ""
) (
    input  wire                  clk,
    input  wire [ACC_WIDTH-1:0]  sum,
    input  wire [BIAS_WIDTH-1:0] bias,
    output wire [Z_WIDTH-1:0]    z,
    output wire                  saturated,
    output wire [OUT_WIDTH-1:0]  out
);
    rnn_narrow #(
        .IN_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT), .OUT_WIDTH(Z_WIDTH), .STAGES(NARROW_STAGES)
    ) narrow (.clk(clk), .in(sum), .bias(bias), .out(z), .saturated(saturated));
    rnn_activation #(
        .IN_WIDTH(Z_WIDTH), .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH),
        .SLOPE_WIDTH(SLOPE_WIDTH), .OUT_WIDTH(OUT_WIDTH), .SIGMOID(SIGMOID), .SIGNED_TABLE(SIGNED_TABLE),
        .STAGES(TABLE_STAGES), .OPEN(OPEN), .INIT_FILE(INIT_FILE)
    ) activation (.clk(clk), .in(z), .out(out));
endmodule
