// tanh or sigmoid by a table of linear segments, in STAGES cycles: 2 (table; result), 3 (and the operands of its
// product), 4 (and the product), 5 (and the sum).
//
// T(in) = sign * ((base[a] + slope[a] * r) >> GUARD_BITS), with m = in < 0 ? ~in : in, a = m >> REST_BITS and
// r = (m mod 2**REST_BITS) + (in < 0). SIGMOID = 0: out = T, signed, OUT_WIDTH = fraction + 1 bits. SIGMOID = 1:
// out = 2**(OUT_WIDTH-1) + T, unsigned. A table word is {slope, base}; the rounding constant is inside base.
//
// SIGNED_TABLE = 1: the table has a segment for every in >> REST_BITS, negative ones too (as an unsigned address), and
// T(in) = (base[a] + slope[a] * (in mod 2**REST_BITS)) >> GUARD_BITS with a signed base of one bit more. The same
// values from twice the memory, without the sign's way in front of the table and behind the sum.
// OPEN = 1: without the last register, one cycle less.
module rnn_activation #(
    parameter IN_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter OUT_WIDTH = 17,
    parameter SIGMOID = 0,
    parameter SIGNED_TABLE = 0,
    parameter STAGES = 5,
    parameter OPEN = 0,
    parameter INIT_FILE = ""
) (
    input  wire                 clk,
    input  wire [IN_WIDTH-1:0]  in,
    output wire [OUT_WIDTH-1:0] out
);
    localparam WHOLE = SIGNED_TABLE != 0;
    localparam ADDRESS_WIDTH = IN_WIDTH - REST_BITS - (WHOLE ? 0 : 1);
    localparam REST_WIDTH = REST_BITS + (WHOLE && REST_BITS > 0 ? 0 : 1);
    localparam ENTRY_BASE = BASE_WIDTH + (WHOLE ? 1 : 0);
    localparam PRODUCT_WIDTH = SLOPE_WIDTH + REST_WIDTH;
    localparam SUM_WIDTH = BASE_WIDTH + 1;
    localparam OUTSIDE = SIGMOID != 0;

    wire                     sign = !WHOLE & in[IN_WIDTH-1];
    wire [REST_BITS+ADDRESS_WIDTH-1:0] magnitude = in[REST_BITS+ADDRESS_WIDTH-1:0] ^ {(REST_BITS+ADDRESS_WIDTH){sign}};
    wire [REST_WIDTH-1:0]    rest;
    reg  [SLOPE_WIDTH+ENTRY_BASE-1:0] table_memory [0:(1<<ADDRESS_WIDTH)-1];
    reg  [SLOPE_WIDTH+ENTRY_BASE-1:0] entry;
    reg                      sign1;
    reg  [REST_WIDTH-1:0]    rest1;
    wire                     sign2, sign3, sign4;
    wire [REST_WIDTH-1:0]    rest2;
    wire [SLOPE_WIDTH-1:0]   slope2;
    wire [ENTRY_BASE-1:0]    base2, base3;
    wire [PRODUCT_WIDTH-1:0] product2, product3;
    wire [SUM_WIDTH-1:0]     base_wide;
    wire [SUM_WIDTH-1:0]     sum = base_wide + {{(SUM_WIDTH-PRODUCT_WIDTH){1'b0}}, product3};
    wire [OUT_WIDTH-1:0]     result4, last;

    initial $readmemh(INIT_FILE, table_memory);

    generate
        if (WHOLE) begin : whole_range
            assign base_wide = base3;
            wire unused = &{1'b0, sign4};
            assign last = result4 ^ {OUTSIDE, {(OUT_WIDTH-1){1'b0}}};
        end else begin : half_range
            assign base_wide = {1'b0, base3};
            wire [OUT_WIDTH-1:0] offset = {OUTSIDE, {(OUT_WIDTH-1){1'b0}}};
            assign last = sign4 ? offset - result4 : offset + result4;
        end
        if (REST_BITS == 0) begin : no_rest
            assign rest = 0;
        end else if (WHOLE) begin : whole_rest
            assign rest = magnitude[REST_BITS-1:0];
        end else begin : half_rest
            assign rest = {1'b0, magnitude[REST_BITS-1:0]};
        end
    endgenerate

    // Operand registers, the product's and the sum's, as many as there are stages for.
    rnn_delay #(.WIDTH(1+REST_WIDTH+SLOPE_WIDTH+ENTRY_BASE), .CYCLES(STAGES >= 3 ? 1 : 0)) operands (
        .clk(clk), .in({sign1, rest1, entry}), .out({sign2, rest2, slope2, base2}));
    assign product2 = slope2 * rest2;
    rnn_delay #(.WIDTH(1+ENTRY_BASE+PRODUCT_WIDTH), .CYCLES(STAGES >= 4 ? 1 : 0)) product (
        .clk(clk), .in({sign2, base2, product2}), .out({sign3, base3, product3}));
    rnn_delay #(.WIDTH(1+OUT_WIDTH), .CYCLES(STAGES >= 5 ? 1 : 0)) total (
        .clk(clk), .in({sign3, sum[GUARD_BITS +: OUT_WIDTH]}), .out({sign4, result4}));

    always @(posedge clk) begin
        // first: table read
        entry <= table_memory[magnitude[REST_BITS +: ADDRESS_WIDTH]];
        sign1 <= sign;
        rest1 <= rest + {{(REST_WIDTH-1){1'b0}}, sign};
    end
    rnn_delay #(.WIDTH(OUT_WIDTH), .CYCLES(OPEN ? 0 : 1)) result (.clk(clk), .in(last), .out(out));
endmodule
