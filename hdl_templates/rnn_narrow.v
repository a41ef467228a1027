// Bias, rounding, saturation and limits: out = limit(saturate((in + bias) >> SHIFT)), STAGES (0..2) cycles later.
//
// The rounding constant 2**(SHIFT-1) is part of `bias`. limit keeps the value within LOW .. HIGH; without LIMIT there
// is none. `saturated` comes with `out`; it tells of a value that the format cut off, not of one that a limit did.
module rnn_narrow #(
    parameter IN_WIDTH = 32,
    parameter BIAS_WIDTH = 24,
    parameter SHIFT = 8,
    parameter OUT_WIDTH = 18,
    parameter LIMIT = 0,
    parameter signed [31:0] LOW = 0,
    parameter signed [31:0] HIGH = 0,
    parameter STAGES = 2
) (
    input  wire                  clk,
    input  wire [IN_WIDTH-1:0]   in,
    input  wire [BIAS_WIDTH-1:0] bias,
    output wire [OUT_WIDTH-1:0]  out,
    output wire                  saturated
);
    localparam SUM_WIDTH = (IN_WIDTH > BIAS_WIDTH ? IN_WIDTH : BIAS_WIDTH) + 1;
    localparam KEPT = SUM_WIDTH - SHIFT;

    wire signed [IN_WIDTH-1:0]   a = in;
    wire signed [BIAS_WIDTH-1:0] b = bias;
    wire signed [SUM_WIDTH-1:0]  wide = {{(SUM_WIDTH-IN_WIDTH){a[IN_WIDTH-1]}}, a}
                                      + {{(SUM_WIDTH-BIAS_WIDTH){b[BIAS_WIDTH-1]}}, b};
    wire [KEPT-1:0]      sum;
    wire [OUT_WIDTH-1:0] in_range, limited;
    wire                 over, counts;

    rnn_delay #(.WIDTH(KEPT), .CYCLES(STAGES > 1 ? STAGES - 1 : 0)) delay_sum (.clk(clk), .in(wide[SUM_WIDTH-1:SHIFT]), .out(sum));
    rnn_saturate #(.IN_WIDTH(KEPT), .OUT_WIDTH(OUT_WIDTH)) saturate (.in(sum), .out(in_range), .saturated(over));

    generate
        if (LIMIT != 0) begin : limits
            localparam signed [OUT_WIDTH-1:0] LEAST = LOW[OUT_WIDTH-1:0];
            localparam signed [OUT_WIDTH-1:0] MOST = HIGH[OUT_WIDTH-1:0];
            wire signed [OUT_WIDTH-1:0] value = in_range;
            assign limited = value < LEAST ? LEAST : value > MOST ? MOST : in_range;
            assign counts  = sum[KEPT-1] ? LEAST == {1'b1, {(OUT_WIDTH-1){1'b0}}} : MOST == {1'b0, {(OUT_WIDTH-1){1'b1}}};
        end else begin : no_limits
            assign limited = in_range;
            assign counts  = 1'b1;
        end
    endgenerate

    rnn_delay #(.WIDTH(1+OUT_WIDTH), .CYCLES(STAGES > 0 ? 1 : 0)) delay_out (
        .clk(clk), .in({over & counts, limited}), .out({saturated, out}));
endmodule
