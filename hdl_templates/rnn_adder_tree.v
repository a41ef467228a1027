// Sum of INPUTS signed words, exact: a binary tree, its levels in groups of STAGES_EVERY with a register behind each.
//
//   Latency: ceil(ceil(log2(INPUTS)) / STAGES_EVERY) cycles; 0 (a wire) when INPUTS is 1.
//   SHORT_FIRST  where the levels do not divide, the first group is the short one, not the last.
//   OPEN         no register behind the last group: one cycle less (where there is a level at all).
//   Word i of `words` is bits i*IN_WIDTH +: IN_WIDTH.  The sum has IN_WIDTH + ceil(log2(INPUTS)) bits.
`default_nettype none
module rnn_adder_tree #(
    parameter INPUTS       = 4,
    parameter IN_WIDTH     = 24,
    parameter STAGES_EVERY = 1,
    parameter SHORT_FIRST  = 0,
    parameter OPEN         = 0,
    parameter OUT_WIDTH    = IN_WIDTH + $clog2(INPUTS)  // derived: leave at its default
) (
    input  wire                         clk,
    input  wire [INPUTS*IN_WIDTH-1:0]   words,
    output wire signed [OUT_WIDTH-1:0]  sum
);
    localparam LEVELS = $clog2(INPUTS);

    genvar level, i;
    generate
        for (level = 0; level <= LEVELS; level = level + 1) begin : g_level
            localparam COUNT   = (INPUTS + (1 << level) - 1) >> level;
            localparam WIDTH   = IN_WIDTH + level;
            localparam BORDER  = SHORT_FIRST ? (LEVELS - level) % STAGES_EVERY == 0 : level % STAGES_EVERY == 0;
            localparam CLOCKED = level == LEVELS ? level > 0 && !OPEN : level > 0 && BORDER;
            wire [COUNT*WIDTH-1:0] sums;
            if (level == 0) begin : g_words
                assign sums = words;
            end else begin : g_add
                localparam BELOW = (INPUTS + (1 << (level - 1)) - 1) >> (level - 1);
                wire [COUNT*WIDTH-1:0] now;
                for (i = 0; i < COUNT; i = i + 1) begin : g_pair
                    wire signed [WIDTH-2:0] left = g_level[level-1].sums[2*i*(WIDTH-1) +: WIDTH-1];
                    if (2*i + 1 < BELOW) begin : g_sum
                        wire signed [WIDTH-2:0] right = g_level[level-1].sums[(2*i+1)*(WIDTH-1) +: WIDTH-1];
                        assign now[i*WIDTH +: WIDTH] = {left[WIDTH-2], left} + {right[WIDTH-2], right};
                    end else begin : g_odd
                        assign now[i*WIDTH +: WIDTH] = {left[WIDTH-2], left};
                    end
                end
                if (CLOCKED) begin : g_clocked
                    reg [COUNT*WIDTH-1:0] held;
                    always @(posedge clk) held <= now;
                    assign sums = held;
                end else begin : g_wire
                    assign sums = now;
                end
            end
        end
        if (LEVELS == 0 || OPEN) begin : g_unclocked
            wire unused = &{1'b0, clk};
        end
    endgenerate
    assign sum = g_level[LEVELS].sums;

    initial if (INPUTS < 1 || STAGES_EVERY < 1) begin
        $display("rnn_adder_tree: INPUTS and STAGES_EVERY must be at least 1, not %0d and %0d.",
                 INPUTS, STAGES_EVERY);
        $finish;
    end
endmodule
`default_nettype wire
