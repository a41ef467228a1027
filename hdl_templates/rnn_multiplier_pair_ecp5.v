// rnn_multiplier_pair in one ECP5 MULT18X18D: the same contract, 2*A_WIDTH + B_WIDTH at most 18.
//
// Operands are packed in front of the primitive and the borrow is undone behind it, both in logic.
`default_nettype none
module rnn_multiplier_pair_ecp5 #(
    parameter A_WIDTH = 4,
    parameter B_WIDTH = 8,
    parameter STAGES  = 3
) (
    input  wire                               clk,
    input  wire signed [A_WIDTH-1:0]          a_low,
    input  wire signed [A_WIDTH-1:0]          a_high,
    input  wire signed [B_WIDTH-1:0]          b,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product_low,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product_high
);
    localparam WIDTH  = A_WIDTH + B_WIDTH;
    localparam LOW    = 2*A_WIDTH + B_WIDTH < 18 ? WIDTH : WIDTH - 1;
    localparam PACKED = LOW + A_WIDTH + 1;

    // a_high * 2**LOW + a_low: the low part is a_low with its sign, which borrows from the high one.
    wire [LOW-1:0]   low_part  = {{(LOW-A_WIDTH){a_low[A_WIDTH-1]}}, a_low};
    wire [A_WIDTH:0] high_part = {a_high[A_WIDTH-1], a_high} + {(A_WIDTH+1){a_low[A_WIDTH-1]}};

    wire [PACKED+B_WIDTH-1:0] both;
    rnn_multiplier_ecp5 #(.A_WIDTH(PACKED), .B_WIDTH(B_WIDTH), .STAGES(STAGES)) multiplier (
        .clk(clk), .a({high_part, low_part}), .b(b), .product(both));
    wire unused = &{1'b0, both};  // its top bit repeats the sign

    rnn_pair_borrow #(.WIDTH(WIDTH), .LOW(LOW)) undo (
        .both(both[LOW+WIDTH-1:0]), .low(product_low), .high(product_high));
endmodule
`default_nettype wire
