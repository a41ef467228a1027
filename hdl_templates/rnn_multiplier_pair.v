// Two signed products with one factor in common, a_low * b and a_high * b, from one multiplier whose wide operand
// has WIDE bits; exact. Inferred: a vendor's tool makes one DSP of it (25 x 18, 27 x 18 and the like).
//
//   STAGES    both products of cycle n appear in cycle n + STAGES; 0: at once
//   WIDE      at least 2*A_WIDTH + B_WIDTH
//
// a_high * 2**LOW + a_low is multiplied by b, and a_low * b lies in the low LOW bits. Where it is negative it has
// borrowed one from a_high * b. With room for LOW = A_WIDTH + B_WIDTH, adding 2**(LOW-1) undoes that (a DSP's own
// adder; the low product's sign bit is inverted by it). With a bit less, the only product that does not fit in LOW
// bits is that of both smallest factors, and it looks like a product that there is not: rnn_pair_borrow knows it.
// No reset and no enable.
`default_nettype none
module rnn_multiplier_pair #(
    parameter A_WIDTH = 8,
    parameter B_WIDTH = 8,
    parameter STAGES  = 3,
    parameter WIDE    = 25
) (
    input  wire                               clk,
    input  wire signed [A_WIDTH-1:0]          a_low,
    input  wire signed [A_WIDTH-1:0]          a_high,
    input  wire signed [B_WIDTH-1:0]          b,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product_low,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product_high
);
    localparam WIDTH  = A_WIDTH + B_WIDTH;
    localparam ROOMY  = WIDE > 2*A_WIDTH + B_WIDTH;
    localparam LOW    = ROOMY ? WIDTH : WIDTH - 1;
    localparam PACKED = LOW + A_WIDTH + 1;  // a_high and a_low both smallest: one bit more than a_high at its place
    localparam BOTH   = LOW + WIDTH;
    localparam signed [BOTH-1:0] HALF = ROOMY ? {{(BOTH-LOW){1'b0}}, 1'b1, {(LOW-1){1'b0}}} : {BOTH{1'b0}};

    // Registers in the order of a DSP's: operands; their sum (or, where the borrow is undone behind, the result);
    // the product; the sum with HALF.
    wire signed [A_WIDTH-1:0] low_in, high_in;
    wire signed [B_WIDTH-1:0] b_in;
    rnn_delay #(.WIDTH(WIDTH + A_WIDTH), .CYCLES(STAGES >= 2 ? 1 : 0)) operands (
        .clk(clk), .in({a_low, a_high, b}), .out({low_in, high_in, b_in}));

    wire signed [PACKED-1:0] shifted = {high_in[A_WIDTH-1], high_in, {LOW{1'b0}}};
    wire signed [PACKED-1:0] packed_now = shifted + {{(PACKED-A_WIDTH){low_in[A_WIDTH-1]}}, low_in};
    wire signed [PACKED-1:0] packed_in;
    wire signed [B_WIDTH-1:0] b_beside;
    rnn_delay #(.WIDTH(PACKED + B_WIDTH), .CYCLES(ROOMY && STAGES >= 4 ? 1 : 0)) sums (
        .clk(clk), .in({packed_now, b_in}), .out({packed_in, b_beside}));

    wire signed [BOTH-1:0] multiplied = packed_in * b_beside;
    wire signed [BOTH-1:0] product;
    rnn_delay #(.WIDTH(BOTH), .CYCLES(STAGES >= 3 ? 1 : 0)) products (.clk(clk), .in(multiplied), .out(product));

    wire signed [BOTH-1:0] rounded = product + HALF;
    wire        [BOTH-1:0] both;
    rnn_delay #(.WIDTH(BOTH), .CYCLES(STAGES >= 1 ? 1 : 0)) results (.clk(clk), .in(rounded), .out(both));

    generate
        if (ROOMY) begin : g_rounded
            assign product_low  = {~both[LOW-1], both[LOW-2:0]};
            assign product_high = both[BOTH-1:LOW];
        end else begin : g_borrowed
            wire [2*WIDTH-1:0] apart;
            rnn_pair_borrow #(.WIDTH(WIDTH), .LOW(LOW)) undo (
                .both(both), .low(apart[WIDTH-1:0]), .high(apart[2*WIDTH-1:WIDTH]));
            rnn_delay #(.WIDTH(2*WIDTH), .CYCLES(STAGES >= 4 ? 1 : 0)) behind (
                .clk(clk), .in(apart), .out({product_high, product_low}));
        end
    endgenerate

    initial if (STAGES < 0 || STAGES > 4 || WIDE < 2*A_WIDTH + B_WIDTH) begin
        $display("rnn_multiplier_pair: STAGES must be 0..4 and WIDE at least %0d, not %0d and %0d.",
                 2*A_WIDTH + B_WIDTH, STAGES, WIDE);
        $finish;
    end
endmodule
`default_nettype wire
