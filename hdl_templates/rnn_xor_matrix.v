// Exclusive ors of chosen bits: out[r] is the parity of those bits of `in` that row r of MATRIX names
// (bit c of row r at r*COLUMNS + c).  Combinational.
module rnn_xor_matrix #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter [ROWS*COLUMNS-1:0] MATRIX = {ROWS*COLUMNS{1'b1}}
) (
    input  wire [COLUMNS-1:0] in,
    output wire [ROWS-1:0]    out
);
    genvar r;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : row
            assign out[r] = ^(in & MATRIX[r*COLUMNS +: COLUMNS]);
        end
    endgenerate
endmodule
