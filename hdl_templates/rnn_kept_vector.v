// A vector that is multiplied as it stands: h of an engine whose sweep is one word, kept where its way ends.
//
//   take     in this cycle h is what the next step multiplies;  start: so is h_start instead (it wins)
//   kept     the vector, from the next cycle on;  operand: every element at the products' binary point, sign-extended to
//            OUT_WIDTH after a left shift by SHIFT
`default_nettype none
module rnn_kept_vector #(
    parameter COLUMNS   = 4,
    parameter WIDTH     = 16,
    parameter SHIFT     = 0,
    parameter OUT_WIDTH = 16
) (
    input  wire                         clk,
    input  wire                         take,
    input  wire [COLUMNS*WIDTH-1:0]     h,
    input  wire                         start,
    input  wire [COLUMNS*WIDTH-1:0]     h_start,
    output reg  [COLUMNS*WIDTH-1:0]     kept,
    output wire [COLUMNS*OUT_WIDTH-1:0] operand
);
    always @(posedge clk)
        if (start) kept <= h_start;
        else if (take) kept <= h;

    genvar c;
    generate
        for (c = 0; c < COLUMNS; c = c + 1) begin : column
            wire [WIDTH-1:0]     element = kept[c*WIDTH +: WIDTH];
            wire [OUT_WIDTH-1:0] wide = {{(OUT_WIDTH-WIDTH){element[WIDTH-1]}}, element};
            assign operand[c*OUT_WIDTH +: OUT_WIDTH] = wide << SHIFT;
        end
    endgenerate
endmodule
`default_nettype wire
