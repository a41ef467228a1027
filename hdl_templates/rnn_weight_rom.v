// Read-only memory of wide words, initialised from a hex file (one word a line).
//
// data holds word `address` one cycle after `address` was presented. The file's path is relative to the
// directory the tool runs in.
module rnn_weight_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter INIT_FILE = ""
) (
    input  wire                     clk,
    input  wire [ADDRESS_WIDTH-1:0] address,
    output reg  [WIDTH-1:0]         data
);
    reg [WIDTH-1:0] memory [0:DEPTH-1];

    initial $readmemh(INIT_FILE, memory);

    always @(posedge clk) data <= memory[address];
endmodule
