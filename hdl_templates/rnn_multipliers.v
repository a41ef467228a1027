// One multiplier of the array: the product of one weight with b, or of COUNT = 2 weights with b.
//
//   a         weight k at k*A_WIDTH, signed;  products: product k at k*(A_WIDTH+B_WIDTH), STAGES cycles later
//   MULTIPLIER, PAIR_WIDTH as in rnn_mac_array; PAIR_WIDTH counts where COUNT is 2
`default_nettype none
module rnn_multipliers #(
    parameter COUNT             = 1,
    parameter A_WIDTH           = 8,
    parameter B_WIDTH           = 8,
    parameter STAGES            = 3,
    parameter [63:0] MULTIPLIER = "generic",
    parameter PAIR_WIDTH        = 25
) (
    input  wire                                 clk,
    input  wire [COUNT*A_WIDTH-1:0]             a,
    input  wire [B_WIDTH-1:0]                   b,
    output wire [COUNT*(A_WIDTH+B_WIDTH)-1:0]   products
);
    localparam WIDTH       = A_WIDTH + B_WIDTH;
    localparam [63:0] ECP5 = "ecp5";

    generate
        if (COUNT == 2 && MULTIPLIER == ECP5) begin : g_pair_ecp5
            rnn_multiplier_pair_ecp5 #(.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .STAGES(STAGES)) pair (
                .clk(clk), .a_low(a[0 +: A_WIDTH]), .a_high(a[A_WIDTH +: A_WIDTH]), .b(b),
                .product_low(products[0 +: WIDTH]), .product_high(products[WIDTH +: WIDTH]));
        end else if (COUNT == 2) begin : g_pair
            rnn_multiplier_pair #(.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .STAGES(STAGES), .WIDE(PAIR_WIDTH)) pair (
                .clk(clk), .a_low(a[0 +: A_WIDTH]), .a_high(a[A_WIDTH +: A_WIDTH]), .b(b),
                .product_low(products[0 +: WIDTH]), .product_high(products[WIDTH +: WIDTH]));
        end else if (MULTIPLIER == ECP5) begin : g_ecp5
            rnn_multiplier_ecp5 #(.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .STAGES(STAGES)) single (
                .clk(clk), .a(a), .b(b), .product(products));
        end else begin : g_generic
            rnn_multiplier #(.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .STAGES(STAGES)) single (
                .clk(clk), .a(a), .b(b), .product(products));
        end
    endgenerate
endmodule
`default_nettype wire
