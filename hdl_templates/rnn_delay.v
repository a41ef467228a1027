// `in`, CYCLES (0 or more) cycles later.
module rnn_delay #(
    parameter WIDTH = 1,
    parameter CYCLES = 1
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] in,
    output wire [WIDTH-1:0] out
);
    generate
        if (CYCLES == 0) begin : none
            wire unused = clk;
            assign out = in;
        end else begin : some
            reg [WIDTH-1:0] stages [0:CYCLES-1];
            integer s;
            always @(posedge clk) begin
                stages[0] <= in;
                for (s = 1; s < CYCLES; s = s + 1) stages[s] <= stages[s-1];
            end
            assign out = stages[CYCLES-1];
        end
    endgenerate
endmodule
