// The rows of a bank-balanced engine: x and h in banks, and each row multiplies the words at places of its own
// (Cao et al., FPGA 2019).  As rnn_mac_array with ACCUMULATE, three cycles later: word, places, operands.
//
//   word      weights (row by row, bank by bank), and behind them the places: SETS*BANKS of INDEX_WIDTH
//             bits, bank by bank
//   x_word, h_word, from_x, first_step, first, first_h, last   with the word: where the words of x and of h begin in
//             their memories, and which of them are multiplied; h is 0 in a sequence's first step
//   SETS, GATES, SHARED   as in rnn_mac_array
// Writes, widths and shifts as in rnn_vector_memory and rnn_operand; STYLE as there; HAS_X, HAS_H 0: there is no such vector.
//
// A simulation runs rnn_banked_model (one loop, the same cycles); synthesis, or RNN_MAC_LANES defined, the circuit.
`default_nettype none
module rnn_banked_array #(
    parameter ROWS              = 4,
    parameter BANKS             = 4,
    parameter GROUP_ROWS        = 4,
    parameter SETS              = 4,
    parameter GATES             = 1,
    parameter SHARED            = 1,
    parameter INDEX_WIDTH       = 1,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter [63:0] MULTIPLIER = "generic",
    parameter SPLIT             = 0,
    parameter BANK_WIDTH        = 2,
    parameter HAS_X             = 1,
    parameter X_WIDTH           = 16,
    parameter SHIFT_X           = 0,
    parameter X_LANES           = 1,
    parameter X_DEPTH           = 2,
    parameter X_WORD_WIDTH      = 1,
    parameter X_COUNT_WIDTH     = 1,
    parameter X_ALIGNED         = 1,
    parameter X_STYLE           = "auto",
    parameter HAS_H             = 1,
    parameter H_WIDTH           = 16,
    parameter SHIFT_H           = 0,
    parameter H_LANES           = 1,
    parameter H_DEPTH           = 2,
    parameter H_WORD_WIDTH      = 1,
    parameter H_COUNT_WIDTH     = 1,
    parameter H_ALIGNED         = 1,
    parameter H_STYLE           = "auto"
) (
    input  wire                       clk,
    input  wire [ROWS*BANKS*WEIGHT_WIDTH+SETS*BANKS*INDEX_WIDTH-1:0] word,
    input  wire [X_WORD_WIDTH-1:0]    x_word,
    input  wire [H_WORD_WIDTH-1:0]    h_word,
    input  wire                       from_x,
    input  wire                       first_step,
    input  wire                       first,
    input  wire                       first_h,
    input  wire                       last,
    input  wire                       x_write_enable,
    input  wire [X_WORD_WIDTH-1:0]    x_write_word,
    input  wire [BANK_WIDTH-1:0]      x_write_bank,
    input  wire [X_COUNT_WIDTH-1:0]   x_write_count,
    input  wire [X_LANES*X_WIDTH-1:0] x_write_data,
    input  wire                       h_write_enable,
    input  wire [H_WORD_WIDTH-1:0]    h_write_word,
    input  wire [BANK_WIDTH-1:0]      h_write_bank,
    input  wire [H_COUNT_WIDTH-1:0]   h_write_count,
    input  wire [H_LANES*H_WIDTH-1:0] h_write_data,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0] group,
    output wire [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam WEIGHTS = ROWS * BANKS * WEIGHT_WIDTH;
    localparam WIDTH   = WEIGHTS + SETS * BANKS * INDEX_WIDTH + X_WORD_WIDTH + H_WORD_WIDTH + 5;

    // A register behind the weights' memory, whose word comes late in its cycle.
    reg  [WIDTH-1:0] issued;
    wire [WEIGHTS+SETS*BANKS*INDEX_WIDTH-1:0] word_now;
    wire [X_WORD_WIDTH-1:0] x_now;
    wire [H_WORD_WIDTH-1:0] h_now;
    wire from_x_now, first_step_now, first_now, first_h_now, last_now;
    always @(posedge clk) issued <= {word, x_word, h_word, from_x, first_step, first, first_h, last};
    assign {word_now, x_now, h_now, from_x_now, first_step_now, first_now, first_h_now, last_now} = issued;

`ifdef SYNTHESIS
    localparam LANES = 1;
`elsif RNN_MAC_LANES
    localparam LANES = 1;
`else
    localparam LANES = 0;
`endif

    generate
        if (LANES) begin : g_circuit
            wire [SETS*BANKS*VECTOR_WIDTH-1:0] operand;
            wire [WEIGHTS-1:0] weights;
            wire array_first, array_first_h, array_last;
            rnn_delay #(.WIDTH(WEIGHTS+3), .CYCLES(2)) delay_weights (
                .clk(clk), .in({first_now, first_h_now, last_now, word_now[WEIGHTS-1:0]}),
                .out({array_first, array_first_h, array_last, weights}));
            rnn_banked_operands #(
                .BANKS(BANKS), .SETS(SETS), .INDEX_WIDTH(INDEX_WIDTH), .VECTOR_WIDTH(VECTOR_WIDTH),
                .BANK_WIDTH(BANK_WIDTH), .HAS_X(HAS_X), .X_WIDTH(X_WIDTH), .SHIFT_X(SHIFT_X), .X_LANES(X_LANES),
                .X_DEPTH(X_DEPTH), .X_WORD_WIDTH(X_WORD_WIDTH), .X_COUNT_WIDTH(X_COUNT_WIDTH), .X_ALIGNED(X_ALIGNED),
                .X_STYLE(X_STYLE), .HAS_H(HAS_H), .H_WIDTH(H_WIDTH), .SHIFT_H(SHIFT_H), .H_LANES(H_LANES),
                .H_DEPTH(H_DEPTH), .H_WORD_WIDTH(H_WORD_WIDTH), .H_COUNT_WIDTH(H_COUNT_WIDTH), .H_ALIGNED(H_ALIGNED),
                .H_STYLE(H_STYLE)
            ) operands (
                .clk(clk), .index(word_now[WEIGHTS +: SETS*BANKS*INDEX_WIDTH]), .x_word(x_now), .h_word(h_now),
                .from_x(from_x_now), .first_step(first_step_now), .x_write_enable(x_write_enable),
                .x_write_word(x_write_word), .x_write_bank(x_write_bank), .x_write_count(x_write_count),
                .x_write_data(x_write_data), .h_write_enable(h_write_enable), .h_write_word(h_write_word),
                .h_write_bank(h_write_bank), .h_write_count(h_write_count), .h_write_data(h_write_data),
                .operand(operand));
            rnn_mac_array #(
                .ROWS(ROWS), .COLUMNS(BANKS), .GROUP_ROWS(GROUP_ROWS), .WEIGHT_WIDTH(WEIGHT_WIDTH),
                .VECTOR_WIDTH(VECTOR_WIDTH), .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES),
                .TREE_STAGES_EVERY(TREE_STAGES_EVERY), .MULTIPLIER(MULTIPLIER), .SPLIT(SPLIT), .SETS(SETS),
                .GATES(GATES), .SHARED(SHARED)
            ) array (
                .clk(clk), .first(array_first), .first_h(array_first_h), .last(array_last), .weights(weights),
                .vector(operand), .addend({ROWS*2{1'b0}}), .group(group), .group_x(group_x));
        end else begin : g_model
            rnn_banked_model #(
                .ROWS(ROWS), .BANKS(BANKS), .GROUP_ROWS(GROUP_ROWS), .SETS(SETS), .GATES(GATES), .SHARED(SHARED),
                .INDEX_WIDTH(INDEX_WIDTH), .WEIGHT_WIDTH(WEIGHT_WIDTH), .VECTOR_WIDTH(VECTOR_WIDTH),
                .ACC_WIDTH(ACC_WIDTH), .PRODUCT_STAGES(PRODUCT_STAGES), .TREE_STAGES_EVERY(TREE_STAGES_EVERY),
                .SPLIT(SPLIT), .BANK_WIDTH(BANK_WIDTH), .HAS_X(HAS_X), .X_WIDTH(X_WIDTH), .SHIFT_X(SHIFT_X),
                .X_LANES(X_LANES), .X_DEPTH(X_DEPTH), .X_WORD_WIDTH(X_WORD_WIDTH), .X_COUNT_WIDTH(X_COUNT_WIDTH),
                .X_ALIGNED(X_ALIGNED), .HAS_H(HAS_H), .H_WIDTH(H_WIDTH), .SHIFT_H(SHIFT_H), .H_LANES(H_LANES),
                .H_DEPTH(H_DEPTH), .H_WORD_WIDTH(H_WORD_WIDTH), .H_COUNT_WIDTH(H_COUNT_WIDTH), .H_ALIGNED(H_ALIGNED)
            ) model (
                .clk(clk), .word(word_now), .x_word(x_now), .h_word(h_now), .from_x(from_x_now), .first_step(first_step_now),
                .first(first_now), .first_h(first_h_now), .last(last_now), .x_write_enable(x_write_enable),
                .x_write_word(x_write_word), .x_write_bank(x_write_bank), .x_write_count(x_write_count),
                .x_write_data(x_write_data), .h_write_enable(h_write_enable), .h_write_word(h_write_word),
                .h_write_bank(h_write_bank), .h_write_count(h_write_count), .h_write_data(h_write_data),
                .group(group), .group_x(group_x));
        end
    endgenerate
endmodule
`default_nettype wire
