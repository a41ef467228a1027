// Behavioural twin of Lattice's ODDRX1F for simulation: D0 while the clock is high, D1 while it is low.
module ODDRX1F (
    input  wire SCLK,
    input  wire RST,
    input  wire D0,
    input  wire D1,
    output wire Q
);
    reg high = 0, low = 0;
    always @(posedge SCLK) begin
        high <= D0 && !RST;
        low  <= D1 && !RST;
    end
    assign Q = SCLK ? high : low;
endmodule
