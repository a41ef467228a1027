// ROWS dot products at once: every cycle a ROWS x COLUMNS word of weights times a COLUMNS word of the
// vector, added to ROWS accumulators; the finished sums leave in groups of GROUP_ROWS neighbouring rows.
//
//   weights   weight of (row r, column c) at (r*COLUMNS+c)*WEIGHT_WIDTH, signed
//   vector    column c at c*VECTOR_WIDTH, signed
//   first     this word starts a new sum;  last: this word ends it (both may be set: a tile of one word)
//   group     if the last word of a tile is presented in cycle n: rows [k*GROUP_ROWS, (k+1)*GROUP_ROWS) in cycle
//             n + LATENCY + k, k = 0 .. GROUPS-1, row r of them at r*ACC_WIDTH, 0 for rows beyond the last one;
//             undefined otherwise.  GROUPS = ceil(ROWS / GROUP_ROWS)
//   SPLIT     1: the rows come in threes (a GRU's gates r, z, n), and the third of each begins a new sum where first_h
//             is set; the sum before it leaves as group_x, one for three rows, together with group. first_h is set
//             between first and last, at neither of them but where the sweep has one word behind it: then at last
//   LATENCY   PRODUCT_STAGES + ceil(ceil(log2(COLUMNS)) / TREE_STAGES_EVERY) + 1
//   ACCUMULATE 0: every word is a tile of its own and all rows leave at once (GROUP_ROWS = ROWS, no SPLIT), so there is
//             no accumulator, and the last levels of the adder tree run into what follows without a register. One more
//             word enters each row's tree: addend, row r at r*ADDEND_WIDTH, signed, constant while words are on their way.
//             LATENCY = PRODUCT_STAGES + ceil(ceil(log2(COLUMNS + 1)) / TREE_STAGES_EVERY) - 1
//
// A word is taken every cycle; words after a last and before the next first are ignored.  Lasts are at
// least GROUPS cycles apart, or a later tile cuts the earlier one's groups off.  No reset: the first
// `first` starts it.  Sums are modulo 2**ACC_WIDTH: the user makes them wide enough.
// PRODUCT_STAGES 0 (only without ACCUMULATE): no register; 1: output register; 2: input and output; 3: input, pipeline,
// output; 4: and a fabric register ("ecp5": before the multiplier, where it takes the slow output of block RAM).
// MULTIPLIER "generic" (inferred, any width) or "ecp5" (MULT18X18D, both widths at most 18).
// SETS 1: all rows multiply the same vector; else row r multiplies vector s = r/GATES/SHARED*GATES + r%GATES of SETS,
// element c of it at c*SETS+s: GATES rows to a unit, and SHARED units share vectors (ACCUMULATE 1, PAIR_WIDTH 0).
// PAIR_WIDTH 0: a multiplier for each product; else two neighbouring rows share one ("ecp5": 18), whose wide operand
// has so many bits, at least 2*WEIGHT_WIDTH + VECTOR_WIDTH; of an odd number of rows the last one has its own.
//
// A simulation runs rnn_mac_model (one loop, the same cycles); synthesis, or RNN_MAC_LANES defined, takes
// rnn_mac_lanes (the circuit).  Tests hold the two equal.
`default_nettype none
module rnn_mac_array #(
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
    parameter ACCUMULATE        = 1,
    parameter ADDEND_WIDTH      = 2,
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
    input  wire [ROWS*ADDEND_WIDTH-1:0]          addend,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0]        group,
    output wire [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
`ifdef SYNTHESIS
    localparam LANES = 1;
`elsif RNN_MAC_LANES
    localparam LANES = 1;
`else
    localparam LANES = 0;
`endif

    localparam [63:0] GENERIC = "generic";
    localparam [63:0] ECP5    = "ecp5";

    generate
        if (LANES) begin : g_lanes
            rnn_mac_lanes #(
                .ROWS(ROWS), .COLUMNS(COLUMNS), .GROUP_ROWS(GROUP_ROWS), .WEIGHT_WIDTH(WEIGHT_WIDTH),
                .VECTOR_WIDTH(VECTOR_WIDTH), .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES),
                .TREE_STAGES_EVERY(TREE_STAGES_EVERY), .MULTIPLIER(MULTIPLIER), .PAIR_WIDTH(PAIR_WIDTH), .SPLIT(SPLIT),
                .ACCUMULATE(ACCUMULATE), .ADDEND_WIDTH(ADDEND_WIDTH), .SETS(SETS), .GATES(GATES), .SHARED(SHARED)
            ) lanes (
                .clk(clk), .first(first), .first_h(first_h), .last(last), .weights(weights), .vector(vector),
                .addend(addend), .group(group), .group_x(group_x)
            );
        end else if (ACCUMULATE == 0) begin : g_word_model
            wire unused = &{1'b0, first, first_h, last};
            assign group_x = 0;
            rnn_mac_word_model #(
                .ROWS(ROWS), .COLUMNS(COLUMNS), .WEIGHT_WIDTH(WEIGHT_WIDTH), .VECTOR_WIDTH(VECTOR_WIDTH),
                .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES), .TREE_STAGES_EVERY(TREE_STAGES_EVERY),
                .ADDEND_WIDTH(ADDEND_WIDTH)
            ) model (.clk(clk), .weights(weights), .vector(vector), .addend(addend), .group(group));
        end else begin : g_model
            wire unused = &{1'b0, addend};
            rnn_mac_model #(
                .ROWS(ROWS), .COLUMNS(COLUMNS), .GROUP_ROWS(GROUP_ROWS), .WEIGHT_WIDTH(WEIGHT_WIDTH),
                .VECTOR_WIDTH(VECTOR_WIDTH), .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES),
                .TREE_STAGES_EVERY(TREE_STAGES_EVERY), .SPLIT(SPLIT), .SETS(SETS), .GATES(GATES), .SHARED(SHARED)
            ) model (
                .clk(clk), .first(first), .first_h(first_h), .last(last), .weights(weights), .vector(vector),
                .group(group), .group_x(group_x)
            );
        end
    endgenerate

    initial begin
        if (ROWS < 1 || COLUMNS < 1 || GROUP_ROWS < 1 || GROUP_ROWS > ROWS) begin
            $display("rnn_mac_array: ROWS, COLUMNS and GROUP_ROWS must be at least 1 and GROUP_ROWS at most ROWS, not %0d, %0d and %0d.",
                     ROWS, COLUMNS, GROUP_ROWS);
            $finish;
        end
        if (SPLIT != 0 && (ROWS % 3 != 0 || GROUP_ROWS % 3 != 0)) begin
            $display("rnn_mac_array: with SPLIT, ROWS and GROUP_ROWS must be multiples of 3, not %0d and %0d.",
                     ROWS, GROUP_ROWS);
            $finish;
        end
        if (ACCUMULATE == 0 && (GROUP_ROWS != ROWS || SPLIT != 0)) begin
            $display("rnn_mac_array: without ACCUMULATE, GROUP_ROWS must be ROWS and SPLIT 0, not %0d and %0d.",
                     GROUP_ROWS, SPLIT);
            $finish;
        end
        if (SETS != 1 && (ACCUMULATE == 0 || PAIR_WIDTH != 0)) begin
            $display("rnn_mac_array: with SETS, ACCUMULATE must be 1 and PAIR_WIDTH 0, not %0d and %0d.", ACCUMULATE, PAIR_WIDTH);
            $finish;
        end
        if (ACCUMULATE != 0 && PRODUCT_STAGES < 1) begin
            $display("rnn_mac_array: with ACCUMULATE, PRODUCT_STAGES must be at least 1, not %0d.", PRODUCT_STAGES);
            $finish;
        end
        if (MULTIPLIER != GENERIC && MULTIPLIER != ECP5) begin
            $display("rnn_mac_array: MULTIPLIER must be generic or ecp5, not %0s.", MULTIPLIER);
            $finish;
        end
        if (MULTIPLIER == ECP5 && (WEIGHT_WIDTH > 18 || VECTOR_WIDTH > 18)) begin
            $display("rnn_mac_array: with MULTIPLIER ecp5 the widths must be at most 18, not %0d and %0d.",
                     WEIGHT_WIDTH, VECTOR_WIDTH);
            $finish;
        end
        if (PAIR_WIDTH != 0 && (PAIR_WIDTH < 2*WEIGHT_WIDTH + VECTOR_WIDTH || (MULTIPLIER == ECP5 && PAIR_WIDTH != 18))) begin
            $display("rnn_mac_array: PAIR_WIDTH must be 0 or at least %0d, and with MULTIPLIER ecp5 be 0 or 18, not %0d.",
                     2*WEIGHT_WIDTH + VECTOR_WIDTH, PAIR_WIDTH);
            $finish;
        end
        if (ACC_WIDTH < WEIGHT_WIDTH + VECTOR_WIDTH + $clog2(COLUMNS)) begin
            $display("rnn_mac_array: ACC_WIDTH must be at least %0d to hold one word's sum, not %0d.",
                     WEIGHT_WIDTH + VECTOR_WIDTH + $clog2(COLUMNS), ACC_WIDTH);
            $finish;
        end
    end
endmodule
`default_nettype wire
