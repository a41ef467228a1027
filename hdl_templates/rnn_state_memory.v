// Simple dual-port memory for state (cell states): one write and one read port.
//
// read_data holds word `read_address` one cycle after it was presented. The schedule never reads a
// word in the cycle in which it is written, so no bypass is built.
module rnn_state_memory #(
    parameter WIDTH = 8,
    parameter DEPTH = 2,
    parameter ADDRESS_WIDTH = 1
) (
    input  wire                     clk,
    input  wire [ADDRESS_WIDTH-1:0] read_address,
    output reg  [WIDTH-1:0]         read_data,
    input  wire                     write_enable,
    input  wire [ADDRESS_WIDTH-1:0] write_address,
    input  wire [WIDTH-1:0]         write_data
);
    (* no_rw_check *)
    reg [WIDTH-1:0] memory [0:DEPTH-1];

    always @(posedge clk) begin
        read_data <= memory[read_address];
        if (write_enable) memory[write_address] <= write_data;
    end
endmodule
