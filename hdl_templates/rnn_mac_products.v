// The products of rnn_mac_slice: weight (r, c) times column c of the vector, PRODUCT_STAGES cycles later; the weights as
// they come, a product at (r*COLUMNS+c)*(WEIGHT_WIDTH+VECTOR_WIDTH).
//
//   OWN            1: each row has a vector of its own, one behind the other (without PAIR_WIDTH)
//   PRODUCT_STAGES, MULTIPLIER, PAIR_WIDTH as in rnn_mac_array; rows 0 and 1 share multipliers, 2 and 3, ...
`default_nettype none
module rnn_mac_products #(
    parameter ROWS              = 8,
    parameter COLUMNS           = 4,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter PRODUCT_STAGES    = 3,
    parameter [63:0] MULTIPLIER = "generic",
    parameter PAIR_WIDTH        = 0,
    parameter OWN               = 0
) (
    input  wire                                                 clk,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]                 weights,
    input  wire [(OWN ? ROWS : 1)*COLUMNS*VECTOR_WIDTH-1:0]     vector,
    output wire [ROWS*COLUMNS*(WEIGHT_WIDTH+VECTOR_WIDTH)-1:0]  products
);
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    localparam [63:0] ECP5   = "ecp5";

    // The fourth stage of an "ecp5" product stands before the multipliers: block RAM is slow (5.8 ns of the
    // cycle), and the register gives each slice its copy of the vector.
    localparam IN_FRONT = MULTIPLIER == ECP5 && PRODUCT_STAGES >= 4;
    localparam STAGES   = IN_FRONT ? PRODUCT_STAGES - 1 : PRODUCT_STAGES;
    wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0] weights_in;
    wire [(OWN ? ROWS : 1)*COLUMNS*VECTOR_WIDTH-1:0] vector_in;
    generate
        if (IN_FRONT) begin : g_front
            reg [ROWS*COLUMNS*WEIGHT_WIDTH-1:0] weights_reg;
            reg [(OWN ? ROWS : 1)*COLUMNS*VECTOR_WIDTH-1:0] vector_reg;
            always @(posedge clk) begin
                weights_reg <= weights;
                vector_reg  <= vector;
            end
            assign weights_in = weights_reg;
            assign vector_in  = vector_reg;
        end else begin : g_no_front
            assign weights_in = weights;
            assign vector_in  = vector;
        end
    endgenerate

    genvar r, c, k;
    generate
        for (r = 0; r < ROWS; r = r + (PAIR_WIDTH == 0 ? 1 : 2)) begin : g_row
            for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
                localparam COUNT = PAIR_WIDTH == 0 || r + 1 == ROWS ? 1 : 2;
                wire [COUNT*WEIGHT_WIDTH-1:0]  a;
                wire [COUNT*PRODUCT_WIDTH-1:0] own;
                for (k = 0; k < COUNT; k = k + 1) begin : g_product
                    assign a[k*WEIGHT_WIDTH +: WEIGHT_WIDTH] = weights_in[((r+k)*COLUMNS+c)*WEIGHT_WIDTH +: WEIGHT_WIDTH];
                    assign products[((r+k)*COLUMNS+c)*PRODUCT_WIDTH +: PRODUCT_WIDTH] =
                        own[k*PRODUCT_WIDTH +: PRODUCT_WIDTH];
                end
                rnn_multipliers #(
                    .COUNT(COUNT), .A_WIDTH(WEIGHT_WIDTH), .B_WIDTH(VECTOR_WIDTH), .STAGES(STAGES),
                    .MULTIPLIER(MULTIPLIER), .PAIR_WIDTH(PAIR_WIDTH)
                ) multipliers (.clk(clk), .a(a), .b(vector_in[((OWN ? r : 0)*COLUMNS+c)*VECTOR_WIDTH +: VECTOR_WIDTH]), .products(own));
            end
        end
    endgenerate
endmodule
`default_nettype wire
