// tanh or sigmoid by a table of linear segments, in STAGES cycles: 2 (table; result), 3 (and the product), 4 (and its
// operands), 5 (and the sum).
//
// T(in) = sign * ((base[a] + slope[a] * r) >> GUARD_BITS), with m = in < 0 ? ~in : in, a = m >> REST_BITS and
// r = (m mod 2**REST_BITS) + (in < 0). SIGMOID = 0: out = T, signed, OUT_WIDTH = fraction + 1 bits. SIGMOID = 1:
// out = 2**(OUT_WIDTH-1) + T, unsigned. A table word is {slope, base}; the rounding constant is inside base.
module rnn_activation #(
    parameter IN_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter OUT_WIDTH = 17,
    parameter SIGMOID = 0,
    parameter STAGES = 5,
    parameter INIT_FILE = ""
) (
    input  wire                 clk,
    input  wire [IN_WIDTH-1:0]  in,
    output reg  [OUT_WIDTH-1:0] out
);
    localparam ADDRESS_WIDTH = IN_WIDTH - 1 - REST_BITS;
    localparam REST_WIDTH = REST_BITS + 1;
    localparam PRODUCT_WIDTH = SLOPE_WIDTH + REST_WIDTH;
    localparam SUM_WIDTH = BASE_WIDTH + 1;

    wire                     sign = in[IN_WIDTH-1];
    wire [IN_WIDTH-2:0]      magnitude = in[IN_WIDTH-2:0] ^ {(IN_WIDTH-1){sign}};
    wire [REST_WIDTH-1:0]    rest = magnitude[REST_WIDTH-1:0] & {1'b0, {REST_BITS{1'b1}}};
    reg  [SLOPE_WIDTH+BASE_WIDTH-1:0] table_memory [0:(1<<ADDRESS_WIDTH)-1];
    reg  [SLOPE_WIDTH+BASE_WIDTH-1:0] entry;
    reg                      sign1;
    reg  [REST_WIDTH-1:0]    rest1;
    wire                     sign2, sign3, sign4;
    wire [REST_WIDTH-1:0]    rest2;
    wire [SLOPE_WIDTH-1:0]   slope2;
    wire [BASE_WIDTH-1:0]    base2, base3;
    wire [PRODUCT_WIDTH-1:0] product2, product3;
    wire [SUM_WIDTH-1:0]     sum = {1'b0, base3} + {{(SUM_WIDTH-PRODUCT_WIDTH){1'b0}}, product3};
    wire [OUT_WIDTH-1:0]     result4;
    wire [OUT_WIDTH-1:0]     offset = (SIGMOID != 0) ? {1'b1, {(OUT_WIDTH-1){1'b0}}} : {OUT_WIDTH{1'b0}};

    initial $readmemh(INIT_FILE, table_memory);

    // Operand registers, the product's and the sum's, as many as there are stages for.
    rnn_delay #(.WIDTH(1+REST_WIDTH+SLOPE_WIDTH+BASE_WIDTH), .CYCLES(STAGES >= 4 ? 1 : 0)) operands (
        .clk(clk), .in({sign1, rest1, entry}), .out({sign2, rest2, slope2, base2}));
    assign product2 = slope2 * rest2;
    rnn_delay #(.WIDTH(1+BASE_WIDTH+PRODUCT_WIDTH), .CYCLES(STAGES >= 3 ? 1 : 0)) product (
        .clk(clk), .in({sign2, base2, product2}), .out({sign3, base3, product3}));
    rnn_delay #(.WIDTH(1+OUT_WIDTH), .CYCLES(STAGES >= 5 ? 1 : 0)) total (
        .clk(clk), .in({sign3, sum[GUARD_BITS +: OUT_WIDTH]}), .out({sign4, result4}));

    always @(posedge clk) begin
        // first: table read
        entry <= table_memory[magnitude[IN_WIDTH-2:REST_BITS]];
        sign1 <= sign;
        rest1 <= rest + {{REST_BITS{1'b0}}, sign};
        // last: sign
        out <= sign4 ? offset - result4 : offset + result4;
    end
endmodule
