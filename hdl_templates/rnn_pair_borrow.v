// The sum high * 2**LOW + low of two signed products of WIDTH bits taken apart again.
//
//   LOW       WIDTH, or one less: then low is at most 2**(LOW-1) and more than -2**(LOW-1), as the products of
//             factors whose bits add up to WIDTH are
//
// The low LOW bits are low's own; where low is negative, it has borrowed one from high. With LOW = WIDTH - 1 the
// bits 10...0 are the largest product, which has not.
`default_nettype none
module rnn_pair_borrow #(
    parameter WIDTH = 16,
    parameter LOW   = 15
) (
    input  wire [LOW+WIDTH-1:0] both,
    output wire [WIDTH-1:0]     low,
    output wire [WIDTH-1:0]     high
);
    wire negative = both[LOW-1] & (LOW == WIDTH | |both[LOW-2:0]);
    generate
        if (LOW == WIDTH) begin : g_whole
            assign low = both[LOW-1:0];
        end else begin : g_short
            assign low = {negative, both[LOW-1:0]};
        end
    endgenerate
    assign high = both[LOW +: WIDTH] + {{(WIDTH-1){1'b0}}, negative};
endmodule
`default_nettype wire
