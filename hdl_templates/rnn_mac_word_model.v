// rnn_mac_array without ACCUMULATE, for simulation: the same contract and the same cycles.  Not for synthesis.
`ifndef SYNTHESIS
`default_nettype none
module rnn_mac_word_model #(
    parameter ROWS              = 4,
    parameter COLUMNS           = 4,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter ADDEND_WIDTH      = 2
) (
    input  wire                                  clk,
    input  wire [ROWS*COLUMNS*WEIGHT_WIDTH-1:0]  weights,
    input  wire [COLUMNS*VECTOR_WIDTH-1:0]       vector,
    input  wire [ROWS*ADDEND_WIDTH-1:0]          addend,
    output wire [ROWS*ACC_WIDTH-1:0]             group
);
    localparam LEVELS  = $clog2(COLUMNS + 1);
    localparam LATENCY = PRODUCT_STAGES + (LEVELS + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY - 1;

    reg        [ROWS*ACC_WIDTH-1:0]               now;
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    reg        [ACC_WIDTH-1:0]                    sum;
    reg signed [PRODUCT_WIDTH-1:0]                product;
    reg        [ACC_WIDTH+PRODUCT_WIDTH-1:0]      wide;
    reg        [ADDEND_WIDTH-1:0]                 own;
    reg        [ACC_WIDTH+ADDEND_WIDTH-1:0]       start;
    wire unused = &{1'b0, wide, start};
    integer r, c;
    always @* begin
        for (r = 0; r < ROWS; r = r + 1) begin
            own   = addend[r*ADDEND_WIDTH +: ADDEND_WIDTH];
            start = {{ACC_WIDTH{own[ADDEND_WIDTH-1]}}, own};
            sum   = start[ACC_WIDTH-1:0];
            for (c = 0; c < COLUMNS; c = c + 1) begin
                product = $signed(weights[(r*COLUMNS+c)*WEIGHT_WIDTH +: WEIGHT_WIDTH])
                        * $signed(vector[c*VECTOR_WIDTH +: VECTOR_WIDTH]);
                wide = {{ACC_WIDTH{product[PRODUCT_WIDTH-1]}}, product};
                sum  = sum + wide[ACC_WIDTH-1:0];
            end
            now[r*ACC_WIDTH +: ACC_WIDTH] = sum;
        end
    end
    rnn_delay #(.WIDTH(ROWS*ACC_WIDTH), .CYCLES(LATENCY)) delay (.clk(clk), .in(now), .out(group));
endmodule
`default_nettype wire
`endif
