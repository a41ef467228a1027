// The sums of rnn_mac_array for simulation: ROWS dot products a word, added up; finished sums wait in a ring of slots
// until their cycle.  Not for synthesis.
//
//   dots      row r at r*ACC_WIDTH;  first, first_h, last: with them, as in rnn_mac_array, SPLIT too
//   group, group_x   as there, LATENCY (at least 1) cycles behind the last word's dots
`ifndef SYNTHESIS
`default_nettype none
module rnn_sums_model #(
    parameter ROWS       = 4,
    parameter GROUP_ROWS = 4,
    parameter ACC_WIDTH  = 36,
    parameter LATENCY    = 5,
    parameter SPLIT      = 0
) (
    input  wire                            clk,
    input  wire                            first,
    input  wire                            first_h,
    input  wire                            last,
    input  wire [ROWS*ACC_WIDTH-1:0]       dots,
    output reg  [GROUP_ROWS*ACC_WIDTH-1:0] group,
    output reg  [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam SLOTS   = LATENCY + 3;  // tiles in flight, tiles of one word included
    localparam X_ROWS  = SPLIT ? ROWS / 3 : 1;
    localparam X_GROUP = SPLIT ? GROUP_ROWS / 3 : 1;

    reg [ACC_WIDTH-1:0] sums     [0:ROWS-1];
    reg [ACC_WIDTH-1:0] finished [0:SLOTS*ROWS-1];
    reg [ACC_WIDTH-1:0] sums_x   [0:X_ROWS-1];
    reg [ACC_WIDTH-1:0] finished_x [0:SLOTS*X_ROWS-1];
    reg [LATENCY:0]     ending;
    integer             fill, drain, position;

    initial begin
        ending   = 0;
        fill     = 0;
        drain    = (SLOTS - 1) * ROWS;
        position = ROWS;
        group_x  = 0;
    end

    // Only `group` and `group_x` leave this block; everything else is private to it, hence assigned at once.
    // verilator lint_off BLKSEQ
    integer r;
    always @(posedge clk) begin
        if (SPLIT != 0 && first_h)
            for (r = 0; r < X_ROWS; r = r + 1) begin
                sums_x[r]   = sums[3*r+2];
                sums[3*r+2] = 0;
            end
        for (r = 0; r < ROWS; r = r + 1)
            sums[r] = (first ? 0 : sums[r]) + dots[r*ACC_WIDTH +: ACC_WIDTH];
        if (last) begin
            for (r = 0; r < ROWS; r = r + 1) finished[fill + r] = sums[r];
            if (SPLIT != 0) for (r = 0; r < X_ROWS; r = r + 1) finished_x[fill / 3 + r] = sums_x[r];
            fill = fill == (SLOTS - 1) * ROWS ? 0 : fill + ROWS;
        end
        ending = {ending[LATENCY-1:0], last};
        if (ending[LATENCY-1]) begin
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
    end
    // verilator lint_on BLKSEQ
endmodule
`default_nettype wire
`endif
