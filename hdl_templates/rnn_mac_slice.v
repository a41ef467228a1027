// A few neighbouring rows of rnn_mac_lanes: multipliers, adder tree and accumulator of each row, and the
// register that holds a finished sum beside it.
//
//   first, last  with the word presented in cycle n
//   held         row r at r*ACC_WIDTH; SHIFT 0: the sum up to and including the word of cycle n, in cycle
//                n + LATENCY (LATENCY as in rnn_mac_array); SHIFT 1: that sum for a `last`, else `above`
//   above        what `held` takes in a cycle without a finished sum (SHIFT 1)
//   PAIR_WIDTH   as in rnn_mac_array; rows 0 and 1 share multipliers, 2 and 3, ...
//   SPLIT        rows in threes, the third begins a new sum at first_h; held_x, above_x: as held and above, for the
//                sums that ended there
//
// The accumulator is cleared one cycle before the first word reaches it, through the registers'
// synchronous reset, so that no logic stands before or behind its adder.
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
    parameter SPLIT             = 0
) (
    input  wire                                  clk,
    input  wire                                  first,
    input  wire                                  first_h,
    input  wire                                  last,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [COLUMNS*VECTOR_WIDTH-1:0]       vector,
    input  wire [ROWS*ACC_WIDTH-1:0]             above,
    output wire [ROWS*ACC_WIDTH-1:0]             held,
    input  wire [(SPLIT ? ROWS/3 : 1)*ACC_WIDTH-1:0] above_x,
    output wire [(SPLIT ? ROWS/3 : 1)*ACC_WIDTH-1:0] held_x
);
    localparam TREE_STAGES   = ($clog2(COLUMNS) + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY;
    localparam AHEAD         = PRODUCT_STAGES + TREE_STAGES;  // cycles from a word to the accumulator's input
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    localparam SUM_WIDTH     = PRODUCT_WIDTH + $clog2(COLUMNS);
    localparam [63:0] ECP5   = "ecp5";

    wire clear, clear_h;
    rnn_delay #(.WIDTH(2), .CYCLES(AHEAD-1)) delay_clear (
        .clk(clk), .in({first_h, first}), .out({clear_h, clear}));

    wire take;
    generate
        if (SHIFT) begin : g_take
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

    // The fourth stage of an "ecp5" product stands before the multipliers: block RAM is slow (5.8 ns of the
    // cycle), and the register gives each slice its copy of the vector.
    localparam IN_FRONT = MULTIPLIER == ECP5 && PRODUCT_STAGES >= 4;
    localparam STAGES   = IN_FRONT ? PRODUCT_STAGES - 1 : PRODUCT_STAGES;
    wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0] weights_in;
    wire [COLUMNS*VECTOR_WIDTH-1:0]      vector_in;
    generate
        if (IN_FRONT) begin : g_front
            reg [ROWS*COLUMNS*WEIGHT_WIDTH-1:0] weights_reg;
            reg [COLUMNS*VECTOR_WIDTH-1:0]      vector_reg;
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

    wire [ROWS*COLUMNS*PRODUCT_WIDTH-1:0] found;  // products, row by row
    genvar r, c, k;
    generate
        if (SPLIT == 0) begin : g_whole
            wire unused = &{1'b0, clear_h, above_x};
            assign held_x = 0;
        end
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            wire [COLUMNS*PRODUCT_WIDTH-1:0] products;
            for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
                wire signed [PRODUCT_WIDTH-1:0] p = found[(r*COLUMNS+c)*PRODUCT_WIDTH +: PRODUCT_WIDTH];
                if (PAIR_WIDTH == 0 || r % 2 == 0) begin : g_own  // of two rows that share, the first has the multiplier
                    localparam COUNT = PAIR_WIDTH == 0 || r + 1 == ROWS ? 1 : 2;
                    wire [COUNT*WEIGHT_WIDTH-1:0]  a;
                    wire [COUNT*PRODUCT_WIDTH-1:0] own;
                    for (k = 0; k < COUNT; k = k + 1) begin : g_product
                        assign a[k*WEIGHT_WIDTH +: WEIGHT_WIDTH] =
                            weights_in[((r+k)*COLUMNS+c)*WEIGHT_WIDTH +: WEIGHT_WIDTH];
                        assign found[((r+k)*COLUMNS+c)*PRODUCT_WIDTH +: PRODUCT_WIDTH] =
                            own[k*PRODUCT_WIDTH +: PRODUCT_WIDTH];
                    end
                    rnn_multipliers #(
                        .COUNT(COUNT), .A_WIDTH(WEIGHT_WIDTH), .B_WIDTH(VECTOR_WIDTH), .STAGES(STAGES),
                        .MULTIPLIER(MULTIPLIER), .PAIR_WIDTH(PAIR_WIDTH)
                    ) multipliers (.clk(clk), .a(a), .b(vector_in[c*VECTOR_WIDTH +: VECTOR_WIDTH]), .products(own));
                end
                assign products[c*PRODUCT_WIDTH +: PRODUCT_WIDTH] = p;
            end

            wire signed [SUM_WIDTH-1:0] sum;
            rnn_adder_tree #(.INPUTS(COLUMNS), .IN_WIDTH(PRODUCT_WIDTH), .STAGES_EVERY(TREE_STAGES_EVERY))
                tree (.clk(clk), .words(products), .sum(sum));

            localparam SPLITS = SPLIT != 0 && r % 3 == 2;
            reg  [ACC_WIDTH-1:0] total, result;
            wire [ACC_WIDTH-1:0] next = total + {{(ACC_WIDTH-SUM_WIDTH){sum[SUM_WIDTH-1]}}, sum};
            wire                 restart = SPLITS ? clear | clear_h : clear;
            if (SPLITS) begin : g_split
                reg [ACC_WIDTH-1:0] total_x, result_x;
                always @(posedge clk) begin
                    if (clear_h) total_x <= next;
                    result_x <= take ? total_x : above_x[(r/3)*ACC_WIDTH +: ACC_WIDTH];
                end
                assign held_x[(r/3)*ACC_WIDTH +: ACC_WIDTH] = result_x;
            end
            always @(posedge clk) begin
                total  <= restart ? {ACC_WIDTH{1'b0}} : next;
                result <= take ? next : above[r*ACC_WIDTH +: ACC_WIDTH];
            end
            assign held[r*ACC_WIDTH +: ACC_WIDTH] = result;
        end
    endgenerate
endmodule
`default_nettype wire
