// rnn_mac_array for simulation: the same contract and the same cycles, in the form that a simulator
// builds and runs fastest.  A row's dot product is formed as soon as its word arrives; only finished
// sums wait, in a ring of slots, until their cycle.  Not for synthesis.
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
    output reg  [GROUP_ROWS*ACC_WIDTH-1:0]        group,
    output reg  [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam TREE_STAGES   = ($clog2(COLUMNS) + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY;
    localparam LATENCY       = PRODUCT_STAGES + TREE_STAGES + 1;
    localparam SLOTS         = LATENCY + 3;  // tiles in flight, tiles of one word included
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    localparam X_ROWS        = SPLIT ? ROWS / 3 : 1;
    localparam X_GROUP       = SPLIT ? GROUP_ROWS / 3 : 1;

    reg signed [ACC_WIDTH-1:0] sums     [0:ROWS-1];
    reg signed [ACC_WIDTH-1:0] finished [0:SLOTS*ROWS-1];
    reg signed [ACC_WIDTH-1:0] sums_x   [0:X_ROWS-1];
    reg signed [ACC_WIDTH-1:0] finished_x [0:SLOTS*X_ROWS-1];
    reg        [LATENCY-1:0]   ending;
    integer                    fill, drain, position;

    function signed [ACC_WIDTH-1:0] dot(
        input [COLUMNS*WEIGHT_WIDTH-1:0] row,
        input integer set
    );
        reg signed [PRODUCT_WIDTH-1:0] product;
        integer c;
        begin
            dot = 0;
            for (c = 0; c < COLUMNS; c = c + 1) begin
                product = $signed(row[c*WEIGHT_WIDTH +: WEIGHT_WIDTH])
                        * $signed(vector[(c*SETS+set)*VECTOR_WIDTH +: VECTOR_WIDTH]);
                dot = dot + {{(ACC_WIDTH-PRODUCT_WIDTH){product[PRODUCT_WIDTH-1]}}, product};
            end
        end
    endfunction

    initial begin
        ending   = 0;
        fill     = 0;
        drain    = (SLOTS - 1) * ROWS;
        position = ROWS;
        group_x  = 0;
    end

    // Only `group` leaves this block; everything else is private to it, hence assigned at once.
    // verilator lint_off BLKSEQ
    integer r;
    always @(posedge clk) begin
        if (SPLIT != 0 && first_h)
            for (r = 0; r < X_ROWS; r = r + 1) begin
                sums_x[r]   = sums[3*r+2];
                sums[3*r+2] = 0;
            end
        for (r = 0; r < ROWS; r = r + 1)
            sums[r] = (first ? 0 : sums[r]) + dot(weights[r*COLUMNS*WEIGHT_WIDTH +: COLUMNS*WEIGHT_WIDTH],
                SETS == 1 ? 0 : r/GATES/SHARED*GATES + r%GATES);
        if (last) begin
            for (r = 0; r < ROWS; r = r + 1) finished[fill + r] = sums[r];
            if (SPLIT != 0) for (r = 0; r < X_ROWS; r = r + 1) finished_x[fill / 3 + r] = sums_x[r];
            fill = fill == (SLOTS - 1) * ROWS ? 0 : fill + ROWS;
        end
        if (ending[LATENCY-2]) begin
            drain    = drain == (SLOTS - 1) * ROWS ? 0 : drain + ROWS;
            position = 0;
        end
        if (position < ROWS) begin
            for (r = 0; r < GROUP_ROWS; r = r + 1)
                group[r*ACC_WIDTH +: ACC_WIDTH] <= position + r < ROWS ? finished[drain + position + r] : 0;
            if (SPLIT != 0)
                for (r = 0; r < X_GROUP; r = r + 1)
                    group_x[r*ACC_WIDTH +: ACC_WIDTH] <=
                        position / 3 + r < X_ROWS ? finished_x[(drain + position) / 3 + r] : 0;
            position = position + GROUP_ROWS;
        end
        ending = {ending[LATENCY-2:0], last};
    end
    // verilator lint_on BLKSEQ
endmodule
`default_nettype wire
`endif
