// Signed multiplier in one ECP5 MULT18X18D with its own registers: same contract as rnn_multiplier.
//
//   STAGES 0: no register; 1: output register; 2: input and output; 3: input, pipeline, output; 4: and one fabric register behind.
// A_WIDTH and B_WIDTH are 1..18 each.  Without SYNTHESIS a behavioural twin of the primitive
// stands in its place; tests hold the twin and rnn_multiplier equal in value and cycle.
`default_nettype none
module rnn_multiplier_ecp5 #(
    parameter A_WIDTH = 8,
    parameter B_WIDTH = 16,
    parameter STAGES  = 3
) (
    input  wire                               clk,
    input  wire signed [A_WIDTH-1:0]          a,
    input  wire signed [B_WIDTH-1:0]          b,
    output wire signed [A_WIDTH+B_WIDTH-1:0]  product
);
    localparam WIDTH = A_WIDTH + B_WIDTH;

    // Operands at the top, zeros below: constants cost no routing, sign bits would each take a wire.
    wire [17:0] x = {a, {(18 - A_WIDTH){1'b0}}};
    wire [17:0] y = {b, {(18 - B_WIDTH){1'b0}}};
    wire [35:0] p;
    wire unused = &{1'b0, p};  // the bits below the product are 0

`ifdef SYNTHESIS
    // Constants of its own: all multipliers on one source for 0 and one for 1 took the router most of its time.
    wire zero, one;
    (* keep *) LUT4 #(.INIT(16'h0000)) lut_zero (.A(1'b0), .B(1'b0), .C(1'b0), .D(1'b0), .Z(zero));
    (* keep *) LUT4 #(.INIT(16'hFFFF)) lut_one  (.A(1'b0), .B(1'b0), .C(1'b0), .D(1'b0), .Z(one));
    MULT18X18D #(
        .REG_INPUTA_CLK(STAGES >= 2 ? "CLK0" : "NONE"),
        .REG_INPUTB_CLK(STAGES >= 2 ? "CLK0" : "NONE"),
        .REG_PIPELINE_CLK(STAGES >= 3 ? "CLK0" : "NONE"),
        .REG_OUTPUT_CLK(STAGES >= 1 ? "CLK0" : "NONE"),
        .CLK0_DIV("ENABLED"),
        .GSR("DISABLED"),
        .RESETMODE("SYNC")
    ) dsp (
        .CLK0(clk), .CE0(one), .RST0(zero), .SIGNEDA(one), .SIGNEDB(one), .SOURCEA(zero), .SOURCEB(zero),
        .A0(x[0]), .A1(x[1]), .A2(x[2]), .A3(x[3]), .A4(x[4]), .A5(x[5]),
        .A6(x[6]), .A7(x[7]), .A8(x[8]), .A9(x[9]), .A10(x[10]), .A11(x[11]),
        .A12(x[12]), .A13(x[13]), .A14(x[14]), .A15(x[15]), .A16(x[16]), .A17(x[17]),
        .B0(y[0]), .B1(y[1]), .B2(y[2]), .B3(y[3]), .B4(y[4]), .B5(y[5]),
        .B6(y[6]), .B7(y[7]), .B8(y[8]), .B9(y[9]), .B10(y[10]), .B11(y[11]),
        .B12(y[12]), .B13(y[13]), .B14(y[14]), .B15(y[15]), .B16(y[16]), .B17(y[17]),
        .C0(1'b0), .C1(1'b0), .C2(1'b0), .C3(1'b0), .C4(1'b0), .C5(1'b0),
        .C6(1'b0), .C7(1'b0), .C8(1'b0), .C9(1'b0), .C10(1'b0), .C11(1'b0),
        .C12(1'b0), .C13(1'b0), .C14(1'b0), .C15(1'b0), .C16(1'b0), .C17(1'b0),
        .P0(p[0]), .P1(p[1]), .P2(p[2]), .P3(p[3]), .P4(p[4]), .P5(p[5]),
        .P6(p[6]), .P7(p[7]), .P8(p[8]), .P9(p[9]), .P10(p[10]), .P11(p[11]),
        .P12(p[12]), .P13(p[13]), .P14(p[14]), .P15(p[15]), .P16(p[16]), .P17(p[17]),
        .P18(p[18]), .P19(p[19]), .P20(p[20]), .P21(p[21]), .P22(p[22]), .P23(p[23]),
        .P24(p[24]), .P25(p[25]), .P26(p[26]), .P27(p[27]), .P28(p[28]), .P29(p[29]),
        .P30(p[30]), .P31(p[31]), .P32(p[32]), .P33(p[33]), .P34(p[34]), .P35(p[35])
    );
`else
    // The primitive: 18 x 18 -> 36 bits, signed, each register bypassed or clocked.
    reg signed [17:0] x_reg, y_reg;
    reg signed [35:0] pipeline, out;
    wire signed [17:0] x_in = STAGES >= 2 ? x_reg : x;
    wire signed [17:0] y_in = STAGES >= 2 ? y_reg : y;
    wire signed [35:0] now  = x_in * y_in;
    always @(posedge clk) begin
        x_reg    <= x;
        y_reg    <= y;
        pipeline <= now;
        out      <= STAGES >= 3 ? pipeline : now;
    end
    assign p = STAGES >= 1 ? out : now;
`endif

    generate
        if (STAGES >= 4) begin : g_behind
            reg [WIDTH-1:0] behind;
            always @(posedge clk) behind <= p[35 -: WIDTH];
            assign product = behind;
        end else begin : g_direct
            assign product = p[35 -: WIDTH];
        end
    endgenerate

    initial if (STAGES < 0 || STAGES > 4 || A_WIDTH > 18 || B_WIDTH > 18) begin
        $display("rnn_multiplier_ecp5: STAGES must be 0..4 and the widths at most 18, not %0d, %0d and %0d.",
                 STAGES, A_WIDTH, B_WIDTH);
        $finish;
    end
endmodule
`default_nettype wire
