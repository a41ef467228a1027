// Element-wise path of LANES Linear outputs: y = narrow(sum + bias), kept within LOW .. HIGH with LIMIT = 1, valid
// NARROW_STAGES cycles after sums and bias are presented; saturated counts the lanes that saturated, together with y.
module rnn_linear_tail #(
    parameter LANES = 1,
    parameter ACC_WIDTH = 32,
    parameter BIAS_WIDTH = 26,
    parameter SHIFT = 10,
    parameter OUT_WIDTH = 16,
    parameter LIMIT = 0,
    parameter signed [31:0] LOW = 0,
    parameter signed [31:0] HIGH = 0,
    parameter COUNT_WIDTH = 2,
    parameter NARROW_STAGES = 2
) (
    input  wire                        clk,
    input  wire [LANES*ACC_WIDTH-1:0]  sums,
    input  wire [LANES*BIAS_WIDTH-1:0] bias,
    output wire [LANES*OUT_WIDTH-1:0]  y,
    output reg  [COUNT_WIDTH-1:0]      saturated
);
    wire [LANES-1:0] over;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            rnn_narrow #(
                .IN_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT), .OUT_WIDTH(OUT_WIDTH),
                .LIMIT(LIMIT), .LOW(LOW), .HIGH(HIGH), .STAGES(NARROW_STAGES)
            ) narrow (
                .clk(clk), .in(sums[l*ACC_WIDTH +: ACC_WIDTH]), .bias(bias[l*BIAS_WIDTH +: BIAS_WIDTH]),
                .out(y[l*OUT_WIDTH +: OUT_WIDTH]), .saturated(over[l])
            );
        end
    endgenerate

    integer k;
    always @* begin
        saturated = {COUNT_WIDTH{1'b0}};
        for (k = 0; k < LANES; k = k + 1) saturated = saturated + {{(COUNT_WIDTH-1){1'b0}}, over[k]};
    end
endmodule
