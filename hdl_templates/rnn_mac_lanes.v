// rnn_mac_array as a circuit: the same contract.  The rows are built as slices of 8, each with its own
// copies of the broadcast controls; equal slices are synthesised once.
`default_nettype none
module rnn_mac_lanes #(
    parameter ROWS              = 4,
    parameter COLUMNS           = 4,
    parameter GROUP_ROWS        = 4,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter [63:0] MULTIPLIER = "generic"
) (
    input  wire                                  clk,
    input  wire                                  first,
    input  wire                                  last,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [COLUMNS*VECTOR_WIDTH-1:0]       vector,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0]        group
);
    localparam PER_SLICE = 8;
    localparam ROW_BITS  = COLUMNS * WEIGHT_WIDTH;

    // `held` is a shift register of groups; zeros follow the last one.
    wire [(ROWS+GROUP_ROWS)*ACC_WIDTH-1:0] held;
    assign held[ROWS*ACC_WIDTH +: GROUP_ROWS*ACC_WIDTH] = 0;
    assign group = held[GROUP_ROWS*ACC_WIDTH-1:0];

    genvar s;
    generate
        for (s = 0; s < ROWS; s = s + PER_SLICE) begin : g_slice
            localparam COUNT = ROWS - s < PER_SLICE ? ROWS - s : PER_SLICE;
            rnn_mac_slice #(
                .ROWS(COUNT), .COLUMNS(COLUMNS), .SHIFT(GROUP_ROWS < ROWS), .WEIGHT_WIDTH(WEIGHT_WIDTH),
                .VECTOR_WIDTH(VECTOR_WIDTH), .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES),
                .TREE_STAGES_EVERY(TREE_STAGES_EVERY), .MULTIPLIER(MULTIPLIER)
            ) slice (
                .clk(clk), .first(first), .last(last),
                .weights(weights[s*ROW_BITS +: COUNT*ROW_BITS]), .vector(vector),
                .above(held[(s+GROUP_ROWS)*ACC_WIDTH +: COUNT*ACC_WIDTH]),
                .held(held[s*ACC_WIDTH +: COUNT*ACC_WIDTH])
            );
        end
    endgenerate
endmodule
`default_nettype wire
