// rnn_mac_array as a circuit: the same contract.  The rows are built as slices of 8 (with SPLIT of 9, or 12 in
// pairs: an even number, so that no slice but the last has a row without a partner), each with its own copies of the
// broadcast controls; equal slices are synthesised once.
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
    parameter [63:0] MULTIPLIER = "generic",
    parameter PAIR_WIDTH        = 0,
    parameter SPLIT             = 0,
    parameter SETS              = 1,
    parameter GATES             = 1,
    parameter SHARED            = 1,
    parameter ACCUMULATE        = 1,
    parameter ADDEND_WIDTH      = 2
) (
    input  wire                                  clk,
    input  wire                                  first,
    input  wire                                  first_h,
    input  wire                                  last,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [SETS*COLUMNS*VECTOR_WIDTH-1:0]  vector,
    input  wire [ROWS*ADDEND_WIDTH-1:0]          addend,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0]        group,
    output wire [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam PER_SLICE = SPLIT ? (PAIR_WIDTH != 0 ? 12 : 9) : 8;
    localparam ROW_BITS  = COLUMNS * WEIGHT_WIDTH;
    localparam WORD_BITS = COLUMNS * VECTOR_WIDTH;

    // `held` is a shift register of groups; zeros follow the last one.
    wire [(ROWS+GROUP_ROWS)*ACC_WIDTH-1:0] held;
    assign held[ROWS*ACC_WIDTH +: GROUP_ROWS*ACC_WIDTH] = 0;
    assign group = held[GROUP_ROWS*ACC_WIDTH-1:0];

    // Likewise the sums before first_h, one for three rows.
    localparam X_GROUP = SPLIT ? GROUP_ROWS / 3 : 1;
    localparam X_ROWS  = SPLIT ? ROWS / 3 : 1;
    wire [(X_ROWS+X_GROUP)*ACC_WIDTH-1:0] held_x;
    assign held_x[X_ROWS*ACC_WIDTH +: X_GROUP*ACC_WIDTH] = 0;
    assign group_x = held_x[X_GROUP*ACC_WIDTH-1:0];

    genvar s, r, c;
    generate
        for (s = 0; s < ROWS; s = s + PER_SLICE) begin : g_slice
            localparam COUNT = ROWS - s < PER_SLICE ? ROWS - s : PER_SLICE;
            localparam X_FIRST = SPLIT ? s / 3 : 0;
            localparam X_COUNT = SPLIT ? COUNT / 3 : 1;
            wire [X_COUNT*ACC_WIDTH-1:0] own_x;
            if (SPLIT || s == 0) begin : g_x
                assign held_x[X_FIRST*ACC_WIDTH +: X_COUNT*ACC_WIDTH] = own_x;
            end else begin : g_no_x
                wire unused = &{1'b0, own_x};
            end
            wire [(SETS == 1 ? 1 : COUNT)*WORD_BITS-1:0] own;
            for (r = 0; r < (SETS == 1 ? 1 : COUNT); r = r + 1) begin : g_own
                localparam SET = SETS == 1 ? 0 : (s+r)/GATES/SHARED*GATES + (s+r)%GATES;
                for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
                    assign own[r*WORD_BITS+c*VECTOR_WIDTH +: VECTOR_WIDTH] =
                        vector[(c*SETS+SET)*VECTOR_WIDTH +: VECTOR_WIDTH];
                end
            end
            rnn_mac_slice #(
                .ROWS(COUNT), .OWN(SETS != 1), .COLUMNS(COLUMNS), .SHIFT(GROUP_ROWS < ROWS), .WEIGHT_WIDTH(WEIGHT_WIDTH),
                .VECTOR_WIDTH(VECTOR_WIDTH), .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES),
                .TREE_STAGES_EVERY(TREE_STAGES_EVERY), .MULTIPLIER(MULTIPLIER), .PAIR_WIDTH(PAIR_WIDTH), .SPLIT(SPLIT),
                .ACCUMULATE(ACCUMULATE), .ADDEND_WIDTH(ADDEND_WIDTH)
            ) slice (
                .clk(clk), .first(first), .first_h(first_h), .last(last),
                .weights(weights[s*ROW_BITS +: COUNT*ROW_BITS]), .vector(own),
                .addend(addend[s*ADDEND_WIDTH +: COUNT*ADDEND_WIDTH]),
                .above(held[(s+GROUP_ROWS)*ACC_WIDTH +: COUNT*ACC_WIDTH]),
                .held(held[s*ACC_WIDTH +: COUNT*ACC_WIDTH]),
                .above_x(held_x[(X_FIRST+X_GROUP)*ACC_WIDTH +: X_COUNT*ACC_WIDTH]),
                .held_x(own_x)
            );
        end
    endgenerate
endmodule
`default_nettype wire
