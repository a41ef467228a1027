// Bias, rounding and saturation: out = saturate((in + bias) >> SHIFT), two cycles later.
//
// The rounding constant 2**(SHIFT-1) is part of `bias`. `saturated` comes with `out`.
module rnn_narrow #(
    parameter IN_WIDTH = 32,
    parameter BIAS_WIDTH = 24,
    parameter SHIFT = 8,
    parameter OUT_WIDTH = 18
) (
    input  wire                  clk,
    input  wire [IN_WIDTH-1:0]   in,
    input  wire [BIAS_WIDTH-1:0] bias,
    output reg  [OUT_WIDTH-1:0]  out,
    output reg                   saturated
);
    localparam SUM_WIDTH = (IN_WIDTH > BIAS_WIDTH ? IN_WIDTH : BIAS_WIDTH) + 1;
    localparam KEPT = SUM_WIDTH - SHIFT;

    wire signed [IN_WIDTH-1:0]   a = in;
    wire signed [BIAS_WIDTH-1:0] b = bias;
    wire signed [SUM_WIDTH-1:0]  wide = {{(SUM_WIDTH-IN_WIDTH){a[IN_WIDTH-1]}}, a}
                                      + {{(SUM_WIDTH-BIAS_WIDTH){b[BIAS_WIDTH-1]}}, b};
    reg  [KEPT-1:0]      sum;
    wire [OUT_WIDTH-1:0] limited;
    wire                 over;

    rnn_saturate #(.IN_WIDTH(KEPT), .OUT_WIDTH(OUT_WIDTH)) saturate (.in(sum), .out(limited), .saturated(over));

    always @(posedge clk) begin
        sum       <= wide[SUM_WIDTH-1:SHIFT];
        out       <= limited;
        saturated <= over;
    end
endmodule
