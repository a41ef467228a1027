// One lane of rnn_lstm_tail; its contract and cycle numbers are there.
//
// Gate results have GATE_FRACTION + 1 bits: tanh signed with GATE_FRACTION fraction bits, sigmoid unsigned with
// one more. c' = saturate(((f*c << SHIFT_FC) + (i*g << SHIFT_IG) + half) >> SHIFT_C); the tanh input is c'
// saturated to Z_WIDTH - TANH_SHIFT bits, shifted left; h = saturate((o * tanh + half) >> SHIFT_H).
module rnn_lstm_lane #(
    parameter ACC_WIDTH = 32,
    parameter BIAS_WIDTH = 26,
    parameter SHIFT = 10,
    parameter Z_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter GATE_FRACTION = 16,
    parameter C_WIDTH = 18,
    parameter SHIFT_FC = 0,
    parameter SHIFT_IG = 0,
    parameter SHIFT_C = 17,
    parameter TANH_SHIFT = 0,
    parameter SHIFT_H = 18,
    parameter H_WIDTH = 16,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter PRODUCT_STAGES = 2,
    parameter ROUND_STAGES = 2,
    parameter SIGNED_TABLE = 0,
    parameter OPEN = 0,
    parameter INIT_FILE = ""
) (
    input  wire                    clk,
    input  wire [4*ACC_WIDTH-1:0]  sums,
    input  wire [4*BIAS_WIDTH-1:0] bias,
    input  wire [C_WIDTH-1:0]      c,
    output reg  [C_WIDTH-1:0]      c_new,
    output wire [H_WIDTH-1:0]      h,
    output wire [4*Z_WIDTH-1:0]    z,
    output wire [3:0]              z_over,
    output reg  [1:0]              c_over,
    output wire                    h_over
);
    localparam GATE_WIDTH = GATE_FRACTION + 1;
    localparam FC_WIDTH = GATE_WIDTH + 1 + C_WIDTH;
    localparam IG_WIDTH = 2*GATE_WIDTH + 1;
    localparam CELL_WIDTH = (FC_WIDTH + SHIFT_FC > IG_WIDTH + SHIFT_IG ? FC_WIDTH + SHIFT_FC : IG_WIDTH + SHIFT_IG) + 2;
    localparam CELL_KEPT = CELL_WIDTH - SHIFT_C;
    localparam TANH_WIDTH = C_WIDTH < Z_WIDTH - TANH_SHIFT ? C_WIDTH : Z_WIDTH - TANH_SHIFT;
    localparam OUT_KEPT = IG_WIDTH + 1 - SHIFT_H;
    localparam [CELL_WIDTH-1:0] CELL_HALF = ({{(CELL_WIDTH-1){1'b0}}, 1'b1} << SHIFT_C) >> 1;
    localparam [IG_WIDTH:0]     OUT_HALF = ({{IG_WIDTH{1'b0}}, 1'b1} << SHIFT_H) >> 1;

    // Pre-activations (NARROW_STAGES) and gates (TABLE_STAGES): i, f, g, o; only g is a tanh and needs the finer point.
    wire [4*GATE_WIDTH-1:0] gate;
    genvar k;
    generate
        for (k = 0; k < 4; k = k + 1) begin : gates
            rnn_gate #(
                .ACC_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(k == 2 ? SHIFT : SHIFT + 1), .Z_WIDTH(Z_WIDTH),
                .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH), .SLOPE_WIDTH(SLOPE_WIDTH),
                .OUT_WIDTH(GATE_WIDTH), .SIGMOID(k == 2 ? 0 : 1), .SIGNED_TABLE(SIGNED_TABLE),
                .NARROW_STAGES(NARROW_STAGES), .TABLE_STAGES(TABLE_STAGES), .INIT_FILE(INIT_FILE)
            ) own (
                .clk(clk), .sum(sums[k*ACC_WIDTH +: ACC_WIDTH]), .bias(bias[k*BIAS_WIDTH +: BIAS_WIDTH]),
                .z(z[k*Z_WIDTH +: Z_WIDTH]), .saturated(z_over[k]), .out(gate[k*GATE_WIDTH +: GATE_WIDTH])
            );
        end
    endgenerate
    wire [GATE_WIDTH:0]   gate_i = {1'b0, gate[0*GATE_WIDTH +: GATE_WIDTH]};
    wire [GATE_WIDTH:0]   gate_f = {1'b0, gate[1*GATE_WIDTH +: GATE_WIDTH]};
    wire [GATE_WIDTH-1:0] gate_g = gate[2*GATE_WIDTH +: GATE_WIDTH];

    // Cell state: products (PRODUCT_STAGES), sum and saturation (ROUND_STAGES).
    wire [FC_WIDTH-1:0]   fc;
    wire [IG_WIDTH-1:0]   ig;
    wire [CELL_WIDTH-1:0] fc_wide = {{(CELL_WIDTH-FC_WIDTH){fc[FC_WIDTH-1]}}, fc} << SHIFT_FC;
    wire [CELL_WIDTH-1:0] ig_wide = {{(CELL_WIDTH-IG_WIDTH){ig[IG_WIDTH-1]}}, ig} << SHIFT_IG;
    wire [CELL_WIDTH-1:0] cell_sum = fc_wide + ig_wide + CELL_HALF;
    wire [CELL_KEPT-1:0]  cell_rounded;
    wire [C_WIDTH-1:0]    c_limited;
    wire [TANH_WIDTH-1:0] tanh_limited;
    wire                  c_limits, tanh_limits;
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(C_WIDTH), .STAGES(PRODUCT_STAGES)) product_fc (
        .clk(clk), .a(gate_f), .b(c), .product(fc));
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(GATE_WIDTH), .STAGES(PRODUCT_STAGES)) product_ig (
        .clk(clk), .a(gate_i), .b(gate_g), .product(ig));
    rnn_saturate #(.IN_WIDTH(CELL_KEPT), .OUT_WIDTH(C_WIDTH)) saturate_c (
        .in(cell_rounded), .out(c_limited), .saturated(c_limits));
    rnn_saturate #(.IN_WIDTH(CELL_KEPT), .OUT_WIDTH(TANH_WIDTH)) saturate_tanh (
        .in(cell_rounded), .out(tanh_limited), .saturated(tanh_limits));

    // tanh(c) (TABLE_STAGES; with one of ROUND_STAGES the register is that of the sum, as the table's own read follows)
    // and h: product (PRODUCT_STAGES), rounding (ROUND_STAGES, at least the register of h); o waits for it.
    wire [TANH_WIDTH-1:0] tanh_short;
    wire [Z_WIDTH-1:0]    tanh_in;
    wire [GATE_WIDTH-1:0] tanh_c, gate_o;
    wire [IG_WIDTH-1:0]   oh;
    wire [IG_WIDTH:0]     oh_half = {oh[IG_WIDTH-1], oh} + OUT_HALF;
    wire [OUT_KEPT-1:0]   oh_rounded;
    wire [H_WIDTH-1:0]    h_limited;
    wire                  h_limits;
    assign tanh_in = {{(Z_WIDTH-TANH_WIDTH){tanh_short[TANH_WIDTH-1]}}, tanh_short} << TANH_SHIFT;
    rnn_activation #(
        .IN_WIDTH(Z_WIDTH), .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH),
        .SLOPE_WIDTH(SLOPE_WIDTH), .OUT_WIDTH(GATE_WIDTH), .SIGMOID(0), .SIGNED_TABLE(SIGNED_TABLE), .STAGES(TABLE_STAGES),
        .INIT_FILE(INIT_FILE)
    ) activation_c (.clk(clk), .in(tanh_in), .out(tanh_c));
    rnn_delay #(.WIDTH(GATE_WIDTH), .CYCLES(PRODUCT_STAGES+ROUND_STAGES+TABLE_STAGES)) delay_o (
        .clk(clk), .in(gate[3*GATE_WIDTH +: GATE_WIDTH]), .out(gate_o));
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(GATE_WIDTH), .STAGES(PRODUCT_STAGES)) product_h (
        .clk(clk), .a({1'b0, gate_o}), .b(tanh_c), .product(oh));
    rnn_saturate #(.IN_WIDTH(OUT_KEPT), .OUT_WIDTH(H_WIDTH)) saturate_h (
        .in(oh_rounded), .out(h_limited), .saturated(h_limits));

    rnn_delay #(.WIDTH(CELL_KEPT), .CYCLES(ROUND_STAGES > 0 ? 1 : 0)) delay_cell (
        .clk(clk), .in(cell_sum[CELL_WIDTH-1:SHIFT_C]), .out(cell_rounded));
    rnn_delay #(.WIDTH(OUT_KEPT), .CYCLES(ROUND_STAGES > 1 ? ROUND_STAGES - 1 : 0)) delay_h (
        .clk(clk), .in(oh_half[IG_WIDTH:SHIFT_H]), .out(oh_rounded));
    rnn_delay #(.WIDTH(TANH_WIDTH), .CYCLES(ROUND_STAGES > 1 ? 1 : 0)) delay_tanh (
        .clk(clk), .in(tanh_limited), .out(tanh_short));
    rnn_delay #(.WIDTH(1+H_WIDTH), .CYCLES(OPEN ? 0 : 1)) delay_out (
        .clk(clk), .in({h_limits, h_limited}), .out({h_over, h}));
    always @(posedge clk) begin
        c_new        <= c_limited;
        c_over       <= {tanh_limits, c_limits};
    end
endmodule
