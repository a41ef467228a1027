// Element-wise path of LANES outputs of a Linear layer or plain RNN with tanh or sigmoid (SIGMOID = 1): z = narrow(sum
// + bias) after NARROW_STAGES cycles, y = function(z) TABLE_STAGES behind it (OPEN: one cycle less). y is
// signed, OUT_WIDTH bits: tanh fills them, a sigmoid leaves the sign bit 0. saturated counts the lanes whose z
// saturated, together with z.
module rnn_table_tail #(
    parameter LANES = 1,
    parameter ACC_WIDTH = 32,
    parameter BIAS_WIDTH = 26,
    parameter SHIFT = 10,
    parameter Z_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter OUT_WIDTH = 16,
    parameter SIGMOID = 0,
    parameter COUNT_WIDTH = 2,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter SIGNED_TABLE = 0,
    parameter OPEN = 0,
    parameter INIT_FILE = ""
) (
    input  wire                        clk,
    input  wire [LANES*ACC_WIDTH-1:0]  sums,
    input  wire [LANES*BIAS_WIDTH-1:0] bias,
    output wire [LANES*OUT_WIDTH-1:0]  y,
    output wire [LANES*Z_WIDTH-1:0]    z,
    output reg  [COUNT_WIDTH-1:0]      saturated
);
    localparam TABLE_WIDTH = SIGMOID != 0 ? OUT_WIDTH - 1 : OUT_WIDTH;
    wire [LANES-1:0] over;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            wire [TABLE_WIDTH-1:0] value;
            rnn_gate #(
                .ACC_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT), .Z_WIDTH(Z_WIDTH),
                .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH), .SLOPE_WIDTH(SLOPE_WIDTH),
                .OUT_WIDTH(TABLE_WIDTH), .SIGMOID(SIGMOID), .SIGNED_TABLE(SIGNED_TABLE),
                .NARROW_STAGES(NARROW_STAGES), .TABLE_STAGES(TABLE_STAGES), .OPEN(OPEN), .INIT_FILE(INIT_FILE)
            ) own (
                .clk(clk), .sum(sums[l*ACC_WIDTH +: ACC_WIDTH]), .bias(bias[l*BIAS_WIDTH +: BIAS_WIDTH]),
                .z(z[l*Z_WIDTH +: Z_WIDTH]), .saturated(over[l]), .out(value)
            );
            if (SIGMOID != 0) begin : unsigned_value
                assign y[l*OUT_WIDTH +: OUT_WIDTH] = {1'b0, value};
            end else begin : signed_value
                assign y[l*OUT_WIDTH +: OUT_WIDTH] = value;
            end
        end
    endgenerate

    integer k;
    always @* begin
        saturated = {COUNT_WIDTH{1'b0}};
        for (k = 0; k < LANES; k = k + 1) saturated = saturated + {{(COUNT_WIDTH-1){1'b0}}, over[k]};
    end
endmodule
