// rnn_mac_array for simulation: the same contract and the same cycles, in the form that a simulator
// builds and runs fastest.  A row's dot product is formed as soon as its word arrives; rnn_sums_model does the rest.
// Not for synthesis.
`ifndef SYNTHESIS
`default_nettype none
module rnn_mac_model #(
    parameter ROWS              = 4,
    parameter COLUMNS           = 4,
    parameter GROUP_ROWS        = 4,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter SPLIT             = 0,
    parameter SETS              = 1,
    parameter GATES             = 1,
    parameter SHARED            = 1
) (
    input  wire                                  clk,
    input  wire                                  first,
    input  wire                                  first_h,
    input  wire                                  last,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [SETS*COLUMNS*VECTOR_WIDTH-1:0]  vector,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0]        group,
    output wire [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam TREE_STAGES   = ($clog2(COLUMNS) + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY;
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;

    reg signed [PRODUCT_WIDTH-1:0] product;
    reg [ACC_WIDTH-1:0]            sum;
    reg [ROWS*ACC_WIDTH-1:0]       formed, dots;
    reg                            formed_first, formed_first_h, formed_last;
    integer                        r, c, set;
    always @(posedge clk) begin
        // Private to this block, but for what is assigned at its end.
        // verilator lint_off BLKSEQ
        for (r = 0; r < ROWS; r = r + 1) begin
            set = SETS == 1 ? 0 : r/GATES/SHARED*GATES + r%GATES;
            sum = 0;
            for (c = 0; c < COLUMNS; c = c + 1) begin
                product = $signed(weights[(r*COLUMNS+c)*WEIGHT_WIDTH +: WEIGHT_WIDTH])
                        * $signed(vector[(c*SETS+set)*VECTOR_WIDTH +: VECTOR_WIDTH]);
                sum     = sum + {{(ACC_WIDTH-PRODUCT_WIDTH){product[PRODUCT_WIDTH-1]}}, product};
            end
            formed[r*ACC_WIDTH +: ACC_WIDTH] = sum;
        end
        // verilator lint_on BLKSEQ
        dots <= formed;
        {formed_first, formed_first_h, formed_last} <= {first, first_h, last};
    end

    rnn_sums_model #(
        .ROWS(ROWS), .GROUP_ROWS(GROUP_ROWS), .ACC_WIDTH(ACC_WIDTH), .LATENCY(PRODUCT_STAGES + TREE_STAGES), .SPLIT(SPLIT)
    ) add (
        .clk(clk), .first(formed_first), .first_h(formed_first_h), .last(formed_last), .dots(dots), .group(group),
        .group_x(group_x));
endmodule
`default_nettype wire
`endif
