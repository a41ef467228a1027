// A few neighbouring rows of rnn_mac_lanes: multipliers, adder tree and accumulator of each row, and the
// register that holds a finished sum beside it.
//
//   first, last  with the word presented in cycle n
//   held         row r at r*ACC_WIDTH; SHIFT 0: the sum up to and including the word of cycle n, in cycle
//                n + LATENCY (LATENCY as in rnn_mac_array); SHIFT 1: that sum for a `last`, else `above`
//   above        what `held` takes in a cycle without a finished sum (SHIFT 1)
//   PAIR_WIDTH   as in rnn_mac_array; rows 0 and 1 share multipliers, 2 and 3, ...
//   ACCUMULATE   0: held is the sum of the word of cycle n and addend, without a register behind the last levels
//   OWN          1: each row has a vector of its own, one behind the other
//   SPLIT        rows in threes, the third begins a new sum at first_h; held_x, above_x: as held and above, for the
//                sums that ended there
//
// keep_hierarchy: synthesis must not merge the copies of the control registers of neighbouring slices.
`default_nettype none
(* keep_hierarchy *)
module rnn_mac_slice #(
    parameter ROWS              = 8,
    parameter COLUMNS           = 4,
    parameter SHIFT             = 1,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter [63:0] MULTIPLIER = "generic",
    parameter PAIR_WIDTH        = 0,
    parameter SPLIT             = 0,
    parameter OWN               = 0,
    parameter ACCUMULATE        = 1,
    parameter ADDEND_WIDTH      = 2
) (
    input  wire                                  clk,
    input  wire                                  first,
    input  wire                                  first_h,
    input  wire                                  last,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [(OWN ? ROWS : 1)*COLUMNS*VECTOR_WIDTH-1:0] vector,
    input  wire [ROWS*ADDEND_WIDTH-1:0]          addend,
    input  wire [ROWS*ACC_WIDTH-1:0]             above,
    output wire [ROWS*ACC_WIDTH-1:0]             held,
    input  wire [(SPLIT ? ROWS/3 : 1)*ACC_WIDTH-1:0] above_x,
    output wire [(SPLIT ? ROWS/3 : 1)*ACC_WIDTH-1:0] held_x
);
    localparam INPUTS        = COLUMNS + (ACCUMULATE ? 0 : 1);
    localparam TREE_STAGES   = ($clog2(INPUTS) + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY;
    localparam AHEAD         = PRODUCT_STAGES + TREE_STAGES;  // cycles from a word to the accumulator's input
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    localparam LEAF_WIDTH    = !ACCUMULATE && ADDEND_WIDTH > PRODUCT_WIDTH ? ADDEND_WIDTH : PRODUCT_WIDTH;
    localparam SUM_WIDTH     = LEAF_WIDTH + $clog2(INPUTS);

    wire clear, clear_h;
    rnn_delay #(.WIDTH(2), .CYCLES(AHEAD > 1 ? AHEAD - 1 : 0)) delay_clear (
        .clk(clk), .in({first_h, first}), .out({clear_h, clear}));

    wire take;
    generate
        if (SHIFT && ACCUMULATE) begin : g_take
            reg [AHEAD-1:0] line;
            if (AHEAD > 1) begin : g_line
                always @(posedge clk) line <= {line[AHEAD-2:0], last};
            end else begin : g_single
                always @(posedge clk) line <= last;
            end
            assign take = line[AHEAD-1];
        end else begin : g_always
            wire unused = &{1'b0, last, above};
            assign take = 1'b1;
        end
    endgenerate

    wire [ROWS*COLUMNS*PRODUCT_WIDTH-1:0] found;  // products, row by row
    rnn_mac_products #(
        .ROWS(ROWS), .COLUMNS(COLUMNS), .WEIGHT_WIDTH(WEIGHT_WIDTH), .VECTOR_WIDTH(VECTOR_WIDTH),
        .PRODUCT_STAGES(PRODUCT_STAGES), .MULTIPLIER(MULTIPLIER), .PAIR_WIDTH(PAIR_WIDTH), .OWN(OWN)
    ) multiply (.clk(clk), .weights(weights), .vector(vector), .products(found));

    genvar r, c;
    generate
        if (SPLIT == 0) begin : g_whole
            wire unused = &{1'b0, clear_h, above_x};
            assign held_x = 0;
        end
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            wire [INPUTS*LEAF_WIDTH-1:0] products;
            for (c = 0; c < COLUMNS; c = c + 1) begin : g_leaf
                wire signed [PRODUCT_WIDTH-1:0] p = found[(r*COLUMNS+c)*PRODUCT_WIDTH +: PRODUCT_WIDTH];
                assign products[c*LEAF_WIDTH +: LEAF_WIDTH] =
                    {{(LEAF_WIDTH-PRODUCT_WIDTH+1){p[PRODUCT_WIDTH-1]}}, p[PRODUCT_WIDTH-2:0]};
            end
            wire [ADDEND_WIDTH-1:0] own_addend = addend[r*ADDEND_WIDTH +: ADDEND_WIDTH];
            if (!ACCUMULATE) begin : g_addend
                assign products[COLUMNS*LEAF_WIDTH +: LEAF_WIDTH] =
                    {{(LEAF_WIDTH-ADDEND_WIDTH+1){own_addend[ADDEND_WIDTH-1]}}, own_addend[ADDEND_WIDTH-2:0]};
            end else begin : g_no_addend
                wire unused = &{1'b0, own_addend};
            end

            wire signed [SUM_WIDTH-1:0] sum;
            rnn_adder_tree #(
                .INPUTS(INPUTS), .IN_WIDTH(LEAF_WIDTH), .STAGES_EVERY(TREE_STAGES_EVERY),
                .SHORT_FIRST(PRODUCT_STAGES == 0), .OPEN(ACCUMULATE == 0)
            ) tree (.clk(clk), .words(products), .sum(sum));

            wire [ACC_WIDTH+SUM_WIDTH-1:0] sum_wide = {{ACC_WIDTH{sum[SUM_WIDTH-1]}}, sum};
            wire [ACC_WIDTH-1:0] word_sum = sum_wide[ACC_WIDTH-1:0];
            wire unused_bits = &{1'b0, sum_wide};
            if (!ACCUMULATE) begin : g_word
                wire unused = &{1'b0, clear, take};
                assign held[r*ACC_WIDTH +: ACC_WIDTH] = word_sum;
            end else begin : g_accumulator
                localparam SPLITS = SPLIT != 0 && r % 3 == 2;
                wire [ACC_WIDTH-1:0] own_x;
                rnn_accumulator #(.WIDTH(ACC_WIDTH), .SPLIT(SPLITS)) accumulator (
                    .clk(clk), .sum(word_sum), .clear(clear), .clear_h(clear_h), .take(take),
                    .above(above[r*ACC_WIDTH +: ACC_WIDTH]), .held(held[r*ACC_WIDTH +: ACC_WIDTH]),
                    .above_x(above_x[(SPLITS ? r/3 : 0)*ACC_WIDTH +: ACC_WIDTH]), .held_x(own_x));
                if (SPLITS) begin : g_split
                    assign held_x[(r/3)*ACC_WIDTH +: ACC_WIDTH] = own_x;
                end else begin : g_no_split
                    wire unused = &{1'b0, own_x};
                end
            end
        end
    endgenerate
endmodule
`default_nettype wire
