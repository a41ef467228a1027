// Column word for the multiplier array: x, or h (0 in the first step of a sequence), one cycle later.
//
// Every element is sign-extended to OUT_WIDTH after a left shift by SHIFT_X or SHIFT_H, which brings both
// products to one binary point.
module rnn_operand #(
    parameter COLUMNS = 4,
    parameter X_WIDTH = 16,
    parameter H_WIDTH = 16,
    parameter SHIFT_X = 0,
    parameter SHIFT_H = 0,
    parameter OUT_WIDTH = 16
) (
    input  wire                         clk,
    input  wire                         from_x,
    input  wire                         first_step,
    input  wire [COLUMNS*X_WIDTH-1:0]   x,
    input  wire [COLUMNS*H_WIDTH-1:0]   h,
    output reg  [COLUMNS*OUT_WIDTH-1:0] operand
);
    // One loop, as there may be thousands of columns.
    integer c;
    reg [X_WIDTH-1:0]   x_element;
    reg [H_WIDTH-1:0]   h_element;
    reg [OUT_WIDTH-1:0] x_wide, h_wide;
    reg [COLUMNS*OUT_WIDTH-1:0] chosen;
    always @* begin
        for (c = 0; c < COLUMNS; c = c + 1) begin
            x_element = x[c*X_WIDTH +: X_WIDTH];
            h_element = h[c*H_WIDTH +: H_WIDTH] & {H_WIDTH{~first_step}};
            x_wide = {{(OUT_WIDTH-X_WIDTH){x_element[X_WIDTH-1]}}, x_element};
            h_wide = {{(OUT_WIDTH-H_WIDTH){h_element[H_WIDTH-1]}}, h_element};
            chosen[c*OUT_WIDTH +: OUT_WIDTH] = from_x ? x_wide << SHIFT_X : h_wide << SHIFT_H;
        end
    end
    always @(posedge clk) operand <= chosen;
endmodule
