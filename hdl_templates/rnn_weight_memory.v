// Memory of wide words, initialised from a hex file (one word a line) and writable at run time.
//
// data holds word `address` one cycle after `address` was presented. Nobody uses a word that is read while it is
// written (no_rw_check: synthesis need not keep the old one); simulation gives the old word.
// Without writes rnn_weight_rom does the same. The file's path is relative to the directory the tool runs in.
module rnn_weight_memory #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter INIT_FILE = ""
) (
    input  wire                     clk,
    input  wire [ADDRESS_WIDTH-1:0] address,
    output reg  [WIDTH-1:0]         data,
    input  wire                     write_enable,
    input  wire [ADDRESS_WIDTH-1:0] write_address,
    input  wire [WIDTH-1:0]         write_data
);
    (* no_rw_check *)
    reg [WIDTH-1:0] memory [0:DEPTH-1];

    initial $readmemh(INIT_FILE, memory);

    always @(posedge clk) begin
        data <= memory[address];
        if (write_enable) memory[write_address] <= write_data;
    end
endmodule
