// Weights on their way from external memory: beats come in, words of a full engine width go out.
//
//   An entry is one word of BEATS beats (the first in its low bits), or one beat of WORDS words (WORDS > 1: BEATS is 1).
//   write_enable  the beat is part write_part of entry write_address; it can be read from the next cycle on
//   take          word read_lane of entry read_address is used: it is in `word` two cycles later.  In all other
//                 cycles `word` is 0, so that products of a cycle without a word add nothing
`default_nettype none
module rnn_weight_buffer #(
    parameter BEAT_WIDTH    = 64,
    parameter WORD_WIDTH    = 64,
    parameter BEATS         = 1,
    parameter WORDS         = 1,
    parameter DEPTH         = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter PART_WIDTH    = 1,
    parameter LANE_WIDTH    = 1
) (
    input  wire                     clk,
    input  wire                     write_enable,
    input  wire [ADDRESS_WIDTH-1:0] write_address,
    input  wire [PART_WIDTH-1:0]    write_part,
    input  wire [BEAT_WIDTH-1:0]    beat,
    input  wire                     take,
    input  wire [ADDRESS_WIDTH-1:0] read_address,
    input  wire [LANE_WIDTH-1:0]    read_lane,
    output reg  [WORD_WIDTH-1:0]    word
);
    localparam ENTRY_WIDTH = WORD_WIDTH * WORDS;

    wire [ENTRY_WIDTH-1:0] entry;
    reg                    taken;
    reg [LANE_WIDTH-1:0]   lane;

    genvar p;
    generate
        for (p = 0; p < BEATS; p = p + 1) begin : g_part
            localparam LEFT = ENTRY_WIDTH - p * BEAT_WIDTH;
            localparam BITS = LEFT < BEAT_WIDTH ? LEFT : BEAT_WIDTH;
            (* no_rw_check *)
            reg [BITS-1:0] memory [0:DEPTH-1];
            reg [BITS-1:0] data;
            always @(posedge clk) begin
                data <= memory[read_address];
                if (write_enable && write_part == p) memory[write_address] <= beat[BITS-1:0];
            end
            assign entry[p*BEAT_WIDTH +: BITS] = data;
        end
        if (BEATS * BEAT_WIDTH > ENTRY_WIDTH) begin : g_padding
            wire unused = &{1'b0, beat};
        end
    endgenerate

    always @(posedge clk) begin
        taken <= take;
        lane  <= read_lane;
        word  <= taken ? entry[lane*WORD_WIDTH +: WORD_WIDTH] : {WORD_WIDTH{1'b0}};
    end

    initial begin
        if (BEATS < 1 || WORDS < 1 || (WORDS > 1 && (BEATS > 1 || ENTRY_WIDTH > BEAT_WIDTH)) ||
            BEATS * BEAT_WIDTH < ENTRY_WIDTH) begin
            $display("rnn_weight_buffer: an entry must be a word of BEATS beats or a beat of WORDS words, not %0d and %0d of %0d bits.",
                     BEATS, WORDS, WORD_WIDTH);
            $finish;
        end
    end
endmodule
`default_nettype wire
