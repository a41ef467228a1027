// Memory of wide words in the single-port RAM of an iCE40 UltraPlus: SB_SPRAM256KA, each of 16,384 words of 16 bits.
//
// data holds word `address` one cycle after `address` was presented, in a cycle without write_enable; a cycle with it
// writes, and what is in data behind it has no meaning. Every 16 bits of a word and every 16,384 words take a block.
// The device has no contents for it at configuration: all words have to be written before they are read. So it is in a
// simulation, too; only one that is started with +rnn_loaded begins with the words of INIT_FILE, as if they had been
// written. The file's path is relative to the directory the simulation runs in.
`default_nettype none
module rnn_weight_spram #(
    parameter WIDTH         = 16,
    parameter DEPTH         = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter INIT_FILE     = ""
) (
    input  wire                     clk,
    input  wire [ADDRESS_WIDTH-1:0] address,
    output wire [WIDTH-1:0]         data,
    input  wire                     write_enable,
    input  wire [ADDRESS_WIDTH-1:0] write_address,
    input  wire [WIDTH-1:0]         write_data
);
    wire [ADDRESS_WIDTH-1:0] now = write_enable ? write_address : address;

`ifdef SYNTHESIS
    localparam COLUMNS = (WIDTH + 15) / 16;
    localparam BANKS   = (DEPTH + 16383) / 16384;
    localparam BANK_WIDTH = BANKS > 2 ? 2 : 1;

    wire [31:0]            place = {{(32-ADDRESS_WIDTH){1'b0}}, now};
    wire [BANK_WIDTH-1:0]  bank = place[14 +: BANK_WIDTH];
    reg  [BANK_WIDTH-1:0]  bank_read;
    wire [16*COLUMNS-1:0]  padded = {{(16*COLUMNS-WIDTH){1'b0}}, write_data};
    wire [16*COLUMNS-1:0]  word;
    wire [(16*COLUMNS<<BANK_WIDTH)-1:0] words;

    always @(posedge clk) bank_read <= bank;
    assign word = words[bank_read*16*COLUMNS +: 16*COLUMNS];
    assign data = word[WIDTH-1:0];

    genvar b, c;
    generate
        for (b = 0; b < (1 << BANK_WIDTH); b = b + 1) begin : g_bank
            if (b < BANKS) begin : g_here
                localparam [BANK_WIDTH-1:0] NUMBER = b;
                for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
                    SB_SPRAM256KA ram (
                        .ADDRESS(place[13:0]), .DATAIN(padded[16*c +: 16]), .MASKWREN(4'b1111),
                        .WREN(write_enable), .CHIPSELECT(bank == NUMBER), .CLOCK(clk),
                        .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(words[16*(b*COLUMNS+c) +: 16]));
                end
            end else begin : g_none
                assign words[16*COLUMNS*b +: 16*COLUMNS] = {(16*COLUMNS){1'b0}};
            end
        end
    endgenerate
`else
    reg [WIDTH-1:0] memory [0:DEPTH-1];
    reg [WIDTH-1:0] word;
    integer         i;

    assign data = word;
    initial begin
        for (i = 0; i < DEPTH; i = i + 1) memory[i] = {((WIDTH + 1) / 2){2'b10}};
        if ($test$plusargs("rnn_loaded") != 0) $readmemh(INIT_FILE, memory);
    end
    always @(posedge clk) begin
        if (write_enable) memory[now] <= write_data;
        word <= write_enable ? {((WIDTH + 1) / 2){2'b10}} : memory[now];
    end
`endif

    initial if (WIDTH < 1 || DEPTH < 1 || DEPTH > 65536) begin
        $display("rnn_weight_spram: WIDTH must be at least 1 and DEPTH 1..65536, not %0d and %0d.", WIDTH, DEPTH);
        $finish;
    end
endmodule
`default_nettype wire
