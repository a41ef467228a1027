// Read-only memory of wide words, initialised from a hex file (one word a line).
//
// data holds word `address` one cycle after `address` was presented. The file's path is relative to the
// directory the tool runs in.  IN_LOGIC 1: of logic, not of block RAM, whose words come late in the cycle; data is
// then there another cycle later.
module rnn_weight_rom #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter IN_LOGIC = 0,
    parameter INIT_FILE = ""
) (
    input  wire                     clk,
    input  wire [ADDRESS_WIDTH-1:0] address,
    output reg  [WIDTH-1:0]         data
);
    generate
        if (IN_LOGIC) begin : g_logic
            (* romstyle = "logic" *)
            reg [WIDTH-1:0] memory [0:DEPTH-1];
            initial $readmemh(INIT_FILE, memory);
            reg [ADDRESS_WIDTH-1:0] kept;
            always @(posedge clk) begin
                kept <= address;
                data <= memory[kept];
            end
        end else begin : g_any
            reg [WIDTH-1:0] memory [0:DEPTH-1];
            initial $readmemh(INIT_FILE, memory);
            always @(posedge clk) data <= memory[address];
        end
    endgenerate
endmodule
