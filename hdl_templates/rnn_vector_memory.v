// Banked memory of vectors: written LANES elements at a time, read BANKS elements at a time.
//
// Element (word w, bank b) is element w*BANKS+b of a vector. A write puts element j < write_count of
// write_data at bank (write_bank + j) mod BANKS of word write_word, or of the word behind it where
// the bank wraps around. read_data holds word read_word one cycle after it was presented. The schedule never
// reads an element in the cycle in which it is written.
//
// INDEXED = 1: each bank is read SETS times at once, and read s of bank b, element b*SETS+s of read_data, is at word
// read_word + read_index[b*SETS+s] (INDEX_WIDTH at most WORD_WIDTH).
//
// STYLE: what the banks are made of, as synthesisers name it ("registers", "distributed", "block"); "auto": they choose.
//
// ALIGNED = 1 promises that LANES divides BANKS and that write_bank is a multiple of LANES: then no lane
// needs a multiplexer.
module rnn_vector_memory #(
    parameter WIDTH = 16,
    parameter BANKS = 4,
    parameter LANES = 1,
    parameter DEPTH = 2,
    parameter WORD_WIDTH = 1,
    parameter BANK_WIDTH = 2,
    parameter COUNT_WIDTH = 1,
    parameter ALIGNED = 1,
    parameter STYLE = "auto",
    parameter INDEXED = 0,
    parameter SETS = 1,
    parameter INDEX_WIDTH = 1
) (
    input  wire                   clk,
    input  wire [WORD_WIDTH-1:0]  read_word,
    input  wire [SETS*BANKS*INDEX_WIDTH-1:0] read_index,
    output wire [SETS*BANKS*WIDTH-1:0] read_data,
    input  wire                   write_enable,
    input  wire [WORD_WIDTH-1:0]  write_word,
    input  wire [BANK_WIDTH-1:0]  write_bank,
    input  wire [COUNT_WIDTH-1:0] write_count,
    input  wire [LANES*WIDTH-1:0] write_data
);
    genvar b;
    generate
        wire unused_style = &{1'b0, STYLE[0]};  // an attribute only
        if (INDEXED == 0) begin : g_one
            wire unused = &{1'b0, read_index};
        end
        for (b = 0; b < BANKS; b = b + 1) begin : bank
            wire             enable;
            wire [WORD_WIDTH-1:0] word;
            wire [WIDTH-1:0] data;
            (* no_rw_check, ram_style = STYLE *)
            reg  [WIDTH-1:0] memory [0:DEPTH-1];
            reg  [SETS*WIDTH-1:0] q;

            if (ALIGNED != 0) begin : aligned
                wire mine = {{(32-BANK_WIDTH){1'b0}}, write_bank} == (b / LANES) * LANES;
                wire here = {{(32-COUNT_WIDTH){1'b0}}, write_count} > b % LANES;
                assign enable = write_enable & here & mine;
                assign word   = write_word;
                assign data   = write_data[(b % LANES)*WIDTH +: WIDTH];
            end else begin : rotated
                wire        wraps = b < {{(32-BANK_WIDTH){1'b0}}, write_bank};
                wire [31:0] lane  = b + (wraps ? BANKS : 0) - {{(32-BANK_WIDTH){1'b0}}, write_bank};
                reg                 hit;
                reg     [WIDTH-1:0] selected;
                integer             j;
                always @* begin
                    hit = 1'b0;
                    selected = {WIDTH{1'b0}};
                    for (j = 0; j < LANES; j = j + 1)
                        if (lane == j) begin
                            hit = {{(32-COUNT_WIDTH){1'b0}}, write_count} > j;
                            selected = write_data[j*WIDTH +: WIDTH];
                        end
                end
                assign enable = write_enable & hit;
                assign word   = write_word + {{(WORD_WIDTH-1){1'b0}}, wraps};
                assign data   = selected;
            end

            wire [SETS*INDEX_WIDTH-1:0] index =
                INDEXED != 0 ? read_index[b*SETS*INDEX_WIDTH +: SETS*INDEX_WIDTH] : {SETS*INDEX_WIDTH{1'b0}};
            assign read_data[b*SETS*WIDTH +: SETS*WIDTH] = q;
            integer s;
            always @(posedge clk) begin
                for (s = 0; s < SETS; s = s + 1)
                    q[s*WIDTH +: WIDTH] <= memory[
                        read_word + {{(WORD_WIDTH-INDEX_WIDTH){1'b0}}, index[s*INDEX_WIDTH +: INDEX_WIDTH]}];
                if (enable) memory[word] <= data;
            end
        end
    endgenerate
endmodule
