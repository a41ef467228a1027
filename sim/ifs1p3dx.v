// Behavioural twin of Lattice's IFS1P3DX, the register at an input pin, for simulation.
module IFS1P3DX (
    input  wire SCLK,
    input  wire SP,
    input  wire CD,
    input  wire D,
    output reg  Q
);
    initial Q = 0;
    always @(posedge SCLK or posedge CD)
        if (CD) Q <= 0;
        else if (SP) Q <= D;
endmodule
