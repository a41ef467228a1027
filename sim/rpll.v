// Behavioural twin of Gowin's rPLL for simulation: the output is the input clock itself, locked at once.
// Its frequency does not matter there: a simulation counts cycles.
module rPLL #(
    parameter FCLKIN = "27",
    parameter DEVICE = "GW1N-9C",
    parameter IDIV_SEL = 0,
    parameter FBDIV_SEL = 0,
    parameter ODIV_SEL = 8,
    parameter DYN_IDIV_SEL = "false",
    parameter DYN_FBDIV_SEL = "false",
    parameter DYN_ODIV_SEL = "false",
    parameter DYN_DA_EN = "false",
    parameter PSDA_SEL = "0000",
    parameter DUTYDA_SEL = "1000",
    parameter CLKFB_SEL = "internal",
    parameter CLKOUT_BYPASS = "false",
    parameter CLKOUTP_BYPASS = "false",
    parameter CLKOUTD_BYPASS = "false"
) (
    input  wire       CLKIN,
    input  wire       CLKFB,
    input  wire       RESET,
    input  wire       RESET_P,
    input  wire [5:0] FBDSEL,
    input  wire [5:0] IDSEL,
    input  wire [5:0] ODSEL,
    input  wire [3:0] PSDA,
    input  wire [3:0] DUTYDA,
    input  wire [3:0] FDLY,
    output wire       CLKOUT,
    output wire       LOCK
);
    wire unused = &{1'b0, CLKFB, RESET_P, FBDSEL, IDSEL, ODSEL, PSDA, DUTYDA, FDLY};
    assign CLKOUT = CLKIN;
    assign LOCK = !RESET;
endmodule
