// One lane of rnn_gru_tail; its contract and cycle numbers are there.
//
// Gate results have GATE_FRACTION + 1 bits: tanh signed with GATE_FRACTION fraction bits, sigmoid unsigned with one
// more. n's argument: saturate(((n_x << (GATE_FRACTION+1)) + r*n_h + half) >> SHIFT_N). The new state before rounding:
// ((1-z)*n << LEFT_N) + (z*state << LEFT_H).
module rnn_gru_lane #(
    parameter ACC_WIDTH = 32,
    parameter BIAS_WIDTH = 26,
    parameter SHIFT_Z = 11,
    parameter SHIFT_INNER = 10,
    parameter SHIFT_N = 17,
    parameter Z_WIDTH = 18,
    parameter INNER_WIDTH = 18,
    parameter PART_WIDTH = 18,
    parameter REST_BITS = 7,
    parameter GUARD_BITS = 8,
    parameter BASE_WIDTH = 25,
    parameter SLOPE_WIDTH = 11,
    parameter GATE_FRACTION = 16,
    parameter STATE_WIDTH = 18,
    parameter LEFT_N = 1,
    parameter LEFT_H = 0,
    parameter SHIFT_STATE = 17,
    parameter SHIFT_H = 19,
    parameter H_WIDTH = 16,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter PRODUCT_STAGES = 2,
    parameter ROUND_STAGES = 2,
    parameter SIGNED_TABLE = 0,
    parameter INIT_FILE = ""
) (
    input  wire                    clk,
    input  wire [3*ACC_WIDTH-1:0]  sums,
    input  wire [ACC_WIDTH-1:0]    sum_x,
    input  wire [4*BIAS_WIDTH-1:0] bias,
    input  wire [STATE_WIDTH-1:0]  state,
    output reg  [STATE_WIDTH-1:0]  state_new,
    output reg  [H_WIDTH-1:0]      h,
    output wire [4*PART_WIDTH-1:0] parts,
    output wire [1:0]              z_over,
    output wire [1:0]              inner_over,
    output reg                     n_over,
    output reg                     state_over,
    output reg                     h_over
);
    localparam MORE = ROUND_STAGES > 1 ? ROUND_STAGES - 1 : 0;
    localparam GATE_WIDTH = GATE_FRACTION + 1;
    localparam RN_WIDTH = GATE_WIDTH + 1 + INNER_WIDTH;
    localparam N_WIDTH = RN_WIDTH + 1;
    localparam N_KEPT = N_WIDTH - SHIFT_N;
    localparam ZN_WIDTH = 2*GATE_WIDTH + 1;
    localparam ZH_WIDTH = GATE_WIDTH + 1 + STATE_WIDTH;
    localparam SUM_WIDTH = (ZN_WIDTH + LEFT_N > ZH_WIDTH + LEFT_H ? ZN_WIDTH + LEFT_N : ZH_WIDTH + LEFT_H) + 2;
    localparam STATE_KEPT = SUM_WIDTH - SHIFT_STATE;
    localparam H_KEPT = SUM_WIDTH - SHIFT_H;
    localparam [N_WIDTH-1:0]   N_HALF = ({{(N_WIDTH-1){1'b0}}, 1'b1} << SHIFT_N) >> 1;
    localparam [SUM_WIDTH-1:0] STATE_HALF = ({{(SUM_WIDTH-1){1'b0}}, 1'b1} << SHIFT_STATE) >> 1;
    localparam [SUM_WIDTH-1:0] OUT_HALF = ({{(SUM_WIDTH-1){1'b0}}, 1'b1} << SHIFT_H) >> 1;

    // Pre-activations of r and z, and gate n's parts (NARROW_STAGES); gates r and z (TABLE_STAGES).
    wire [2*GATE_WIDTH-1:0]  gate;
    wire [2*INNER_WIDTH-1:0] inner;
    genvar k;
    generate
        for (k = 0; k < 2; k = k + 1) begin : gates
            wire [Z_WIDTH-1:0] argument;
            rnn_gate #(
                .ACC_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT_Z), .Z_WIDTH(Z_WIDTH),
                .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH), .SLOPE_WIDTH(SLOPE_WIDTH),
                .OUT_WIDTH(GATE_WIDTH), .SIGMOID(1), .SIGNED_TABLE(SIGNED_TABLE),
                .NARROW_STAGES(NARROW_STAGES), .TABLE_STAGES(TABLE_STAGES), .INIT_FILE(INIT_FILE)
            ) own (
                .clk(clk), .sum(sums[k*ACC_WIDTH +: ACC_WIDTH]), .bias(bias[k*BIAS_WIDTH +: BIAS_WIDTH]),
                .z(argument), .saturated(z_over[k]), .out(gate[k*GATE_WIDTH +: GATE_WIDTH])
            );
            assign parts[k*PART_WIDTH +: PART_WIDTH] = {{(PART_WIDTH-Z_WIDTH){argument[Z_WIDTH-1]}}, argument};
        end
        for (k = 0; k < 2; k = k + 1) begin : inners
            wire [ACC_WIDTH-1:0] sum = k == 0 ? sums[2*ACC_WIDTH +: ACC_WIDTH] : sum_x;
            wire [INNER_WIDTH-1:0] part;
            rnn_narrow #(
                .IN_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT_INNER), .OUT_WIDTH(INNER_WIDTH),
                .STAGES(NARROW_STAGES)
            ) narrow (.clk(clk), .in(sum), .bias(bias[(2+k)*BIAS_WIDTH +: BIAS_WIDTH]),
                .out(part), .saturated(inner_over[k]));
            assign inner[k*INNER_WIDTH +: INNER_WIDTH] = part;
            assign parts[(2+k)*PART_WIDTH +: PART_WIDTH] = {{(PART_WIDTH-INNER_WIDTH){part[INNER_WIDTH-1]}}, part};
        end
    endgenerate

    // n's argument: n_h and n_x wait for r; product (PRODUCT_STAGES), sum and saturation (ROUND_STAGES).
    wire [2*INNER_WIDTH-1:0] inner_late;
    wire [INNER_WIDTH-1:0]   n_x;
    wire [RN_WIDTH-1:0]      rn;
    wire [N_WIDTH-1:0]       n_x_wide = {{(N_WIDTH-INNER_WIDTH){n_x[INNER_WIDTH-1]}}, n_x} << (GATE_FRACTION + 1);
    wire [N_WIDTH-1:0]       n_sum = {rn[RN_WIDTH-1], rn} + n_x_wide + N_HALF;
    wire [N_KEPT-1:0]        n_rounded;
    wire [Z_WIDTH-1:0]       n_in;
    wire [Z_WIDTH-1:0]       n_limited;
    wire                     n_limits;
    rnn_delay #(.WIDTH(2*INNER_WIDTH), .CYCLES(TABLE_STAGES)) delay_inner (.clk(clk), .in(inner), .out(inner_late));
    rnn_delay #(.WIDTH(INNER_WIDTH), .CYCLES(PRODUCT_STAGES)) delay_x (
        .clk(clk), .in(inner_late[INNER_WIDTH +: INNER_WIDTH]), .out(n_x));
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(INNER_WIDTH), .STAGES(PRODUCT_STAGES)) product_rn (
        .clk(clk), .a({1'b0, gate[0 +: GATE_WIDTH]}), .b(inner_late[0 +: INNER_WIDTH]), .product(rn));
    rnn_saturate #(.IN_WIDTH(N_KEPT), .OUT_WIDTH(Z_WIDTH)) saturate_n (.in(n_rounded), .out(n_limited), .saturated(n_limits));

    // n (TABLE_STAGES) and the new state: products (PRODUCT_STAGES), sums (ROUND_STAGES); z waits for n.
    wire [GATE_WIDTH-1:0] gate_n, gate_z;
    wire [GATE_WIDTH:0]   one_less_z = {1'b1, {GATE_WIDTH{1'b0}}} - {1'b0, gate_z};
    wire [ZN_WIDTH-1:0]   zn;
    wire [ZH_WIDTH-1:0]   zh;
    wire [SUM_WIDTH-1:0]  zn_wide = {{(SUM_WIDTH-ZN_WIDTH){zn[ZN_WIDTH-1]}}, zn} << LEFT_N;
    wire [SUM_WIDTH-1:0]  zh_wide = {{(SUM_WIDTH-ZH_WIDTH){zh[ZH_WIDTH-1]}}, zh} << LEFT_H;
    wire [SUM_WIDTH-1:0]  state_sum = zn_wide + zh_wide + STATE_HALF;
    wire [SUM_WIDTH-1:0]  h_sum = zn_wide + zh_wide + OUT_HALF;
    wire [STATE_KEPT-1:0] state_rounded;
    wire [H_KEPT-1:0]     h_rounded;
    wire [STATE_WIDTH-1:0] state_limited;
    wire [H_WIDTH-1:0]     h_limited;
    wire                   state_limits, h_limits;
    rnn_activation #(
        .IN_WIDTH(Z_WIDTH), .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH),
        .SLOPE_WIDTH(SLOPE_WIDTH), .OUT_WIDTH(GATE_WIDTH), .SIGNED_TABLE(SIGNED_TABLE), .STAGES(TABLE_STAGES),
        .INIT_FILE(INIT_FILE)
    ) activation_n (.clk(clk), .in(n_in), .out(gate_n));
    rnn_delay #(.WIDTH(GATE_WIDTH), .CYCLES(PRODUCT_STAGES+ROUND_STAGES+TABLE_STAGES)) delay_z (
        .clk(clk), .in(gate[GATE_WIDTH +: GATE_WIDTH]), .out(gate_z));
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(GATE_WIDTH), .STAGES(PRODUCT_STAGES)) product_zn (
        .clk(clk), .a(one_less_z), .b(gate_n), .product(zn));
    rnn_product #(.A_WIDTH(GATE_WIDTH+1), .B_WIDTH(STATE_WIDTH), .STAGES(PRODUCT_STAGES)) product_zh (
        .clk(clk), .a({1'b0, gate_z}), .b(state), .product(zh));
    rnn_saturate #(.IN_WIDTH(STATE_KEPT), .OUT_WIDTH(STATE_WIDTH)) saturate_state (
        .in(state_rounded), .out(state_limited), .saturated(state_limits));
    rnn_saturate #(.IN_WIDTH(H_KEPT), .OUT_WIDTH(H_WIDTH)) saturate_h (
        .in(h_rounded), .out(h_limited), .saturated(h_limits));

    rnn_delay #(.WIDTH(N_KEPT), .CYCLES(ROUND_STAGES > 0 ? 1 : 0)) delay_n (.clk(clk), .in(n_sum[N_WIDTH-1:SHIFT_N]), .out(n_rounded));
    rnn_delay #(.WIDTH(STATE_KEPT+H_KEPT), .CYCLES(MORE)) delay_state (.clk(clk), .out({state_rounded, h_rounded}),
        .in({state_sum[SUM_WIDTH-1:SHIFT_STATE], h_sum[SUM_WIDTH-1:SHIFT_H]}));
    rnn_delay #(.WIDTH(Z_WIDTH), .CYCLES(MORE)) delay_in (.clk(clk), .in(n_limited), .out(n_in));
    always @(posedge clk) begin
        n_over        <= n_limits;
        state_new     <= state_limited;
        h             <= h_limited;
        state_over    <= state_limits;
        h_over        <= h_limits;
    end
endmodule
