// Gathers the sums of gates that were multiplied in turn: those of the earlier turns wait here until the last one's
// come, and leave with them.
//
//   group      LANES * GATES sums of a turn, lane by lane
//   turn       of the group, 0 .. TURNS-1;  write: 1 where it is none but the last, to be kept
//   address    of the group within its tile, 0 .. DEPTH-1
//   sums       beside a group of the last turn: lane by lane, within a lane all its gates from the low bits up, turn by
//              turn; one cycle behind it where DEPTH is not 1
//   SPLIT      1 (with GATES 1): the sum of the last turn but one leaves as sums_x, one a lane (of a GRU's gate n the
//              sum of x, while that of h is the last turn's)
`default_nettype none
module rnn_gate_sums #(
    parameter LANES         = 1,
    parameter GATES         = 1,
    parameter TURNS         = 4,
    parameter TURN_WIDTH    = 2,
    parameter ACC_WIDTH     = 36,
    parameter DEPTH         = 1,
    parameter ADDRESS_WIDTH = 1,
    parameter SPLIT         = 0
) (
    input  wire                                                 clk,
    input  wire [LANES*GATES*ACC_WIDTH-1:0]                     group,
    input  wire [TURN_WIDTH-1:0]                                turn,
    input  wire                                                 write,
    input  wire [ADDRESS_WIDTH-1:0]                             address,
    output wire [LANES*(TURNS-(SPLIT!=0?1:0))*GATES*ACC_WIDTH-1:0] sums,
    output wire [(SPLIT != 0 ? LANES : 1)*ACC_WIDTH-1:0]        sums_x
);
    localparam WIDTH = LANES * GATES * ACC_WIDTH;
    localparam LANE  = GATES * ACC_WIDTH;
    localparam OWN   = TURNS - (SPLIT != 0 ? 1 : 0);  // turns that leave as sums

    wire [TURNS*WIDTH-1:0] gathered;  // turn by turn
    assign gathered[(TURNS-1)*WIDTH +: WIDTH] = group;

    genvar t, l;
    generate
        for (t = 0; t < TURNS - 1; t = t + 1) begin : g_turn
            localparam [TURN_WIDTH-1:0] NUMBER = t;
            wire own = write && turn == NUMBER;
            if (DEPTH == 1) begin : g_register
                reg [WIDTH-1:0] kept;
                always @(posedge clk) if (own) kept <= group;
                assign gathered[t*WIDTH +: WIDTH] = kept;
            end else begin : g_memory
                reg [WIDTH-1:0] kept [0:DEPTH-1];
                always @(posedge clk) if (own) kept[address] <= group;
                assign gathered[t*WIDTH +: WIDTH] = kept[address];
            end
        end
    endgenerate

    wire [LANES*OWN*LANE-1:0] ordered;
    wire [(SPLIT != 0 ? LANES : 1)*ACC_WIDTH-1:0] apart;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : g_lane
            for (t = 0; t < OWN; t = t + 1) begin : g_own
                localparam FROM = SPLIT != 0 && t == OWN - 1 ? TURNS - 1 : t;
                assign ordered[(l*OWN+t)*LANE +: LANE] = gathered[FROM*WIDTH + l*LANE +: LANE];
            end
            if (SPLIT != 0) begin : g_apart
                assign apart[l*ACC_WIDTH +: ACC_WIDTH] = gathered[(TURNS-2)*WIDTH + l*LANE +: ACC_WIDTH];
            end
        end
        if (SPLIT == 0) begin : g_whole
            assign apart = {ACC_WIDTH{1'b0}};
        end
        if (DEPTH == 1) begin : g_direct
            wire unused = &{1'b0, address};
            assign sums   = ordered;
            assign sums_x = apart;
        end else begin : g_registered  // what is read stands before no adder
            reg [LANES*OWN*LANE-1:0] sums_reg;
            reg [(SPLIT != 0 ? LANES : 1)*ACC_WIDTH-1:0] apart_reg;
            always @(posedge clk) begin
                sums_reg  <= ordered;
                apart_reg <= apart;
            end
            assign sums   = sums_reg;
            assign sums_x = apart_reg;
        end
    endgenerate

    initial begin
        if (LANES < 1 || GATES < 1 || DEPTH < 1 || TURNS < 2 || (SPLIT != 0 && (GATES != 1 || TURNS < 3))) begin
            $display("rnn_gate_sums: LANES, GATES and DEPTH must be at least 1 and TURNS 2 (with SPLIT 3, and GATES 1), not %0d, %0d, %0d and %0d.",
                     LANES, GATES, DEPTH, TURNS);
            $finish;
        end
    end
endmodule
`default_nettype wire
