// Element-wise path of LANES LSTM hidden units, one group of units a cycle, fully pipelined:
//
//   z = narrow(sum + bias)   i, f, o = sigmoid(z)   g = tanh(z)   c' = f*c + i*g   h = o * tanh(c')
//
// sums and bias: lane by lane, within a lane the gates i, f, g, o from the low bits up. N, T, P and R are the stages of a
// narrowing (0..2), a table (2..5), a product (0..2) and a rounding (0..2). Cycles after a group's sums and bias are
// presented: c must be presented N + T later; c_new is valid P + min(R + 1, 2) behind that, and h is valid
// P + R + T + P + max(R, 1) behind c (OPEN: one cycle less, h without its register). saturated counts narrowings that
// saturated, over all lanes, of one group each: z with delay N, c and the tanh input together with c_new, h with h.
module rnn_lstm_tail #(
    parameter LANES = 1,
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
    parameter COUNT_WIDTH = 4,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter PRODUCT_STAGES = 2,
    parameter ROUND_STAGES = 2,
    parameter SIGNED_TABLE = 0,
    parameter OPEN = 0,
    parameter INIT_FILE = ""
) (
    input  wire                          clk,
    input  wire [LANES*4*ACC_WIDTH-1:0]  sums,
    input  wire [LANES*4*BIAS_WIDTH-1:0] bias,
    input  wire [LANES*C_WIDTH-1:0]      c,
    output wire [LANES*C_WIDTH-1:0]      c_new,
    output wire [LANES*H_WIDTH-1:0]      h,
    output wire [LANES*4*Z_WIDTH-1:0]    z,
    output reg  [COUNT_WIDTH-1:0]        saturated_z,
    output reg  [COUNT_WIDTH-1:0]        saturated_c,
    output reg  [COUNT_WIDTH-1:0]        saturated_h
);
    wire [LANES*4-1:0] z_over;
    wire [LANES*2-1:0] c_over;
    wire [LANES-1:0]   h_over;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            rnn_lstm_lane #(
                .ACC_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT(SHIFT), .Z_WIDTH(Z_WIDTH),
                .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH),
                .SLOPE_WIDTH(SLOPE_WIDTH), .GATE_FRACTION(GATE_FRACTION), .C_WIDTH(C_WIDTH),
                .SHIFT_FC(SHIFT_FC), .SHIFT_IG(SHIFT_IG), .SHIFT_C(SHIFT_C), .TANH_SHIFT(TANH_SHIFT),
                .SHIFT_H(SHIFT_H), .H_WIDTH(H_WIDTH), .NARROW_STAGES(NARROW_STAGES),
                .TABLE_STAGES(TABLE_STAGES), .PRODUCT_STAGES(PRODUCT_STAGES), .ROUND_STAGES(ROUND_STAGES),
                .SIGNED_TABLE(SIGNED_TABLE), .OPEN(OPEN), .INIT_FILE(INIT_FILE)
            ) unit (
                .clk(clk),
                .sums(sums[l*4*ACC_WIDTH +: 4*ACC_WIDTH]),
                .bias(bias[l*4*BIAS_WIDTH +: 4*BIAS_WIDTH]),
                .c(c[l*C_WIDTH +: C_WIDTH]),
                .c_new(c_new[l*C_WIDTH +: C_WIDTH]),
                .h(h[l*H_WIDTH +: H_WIDTH]),
                .z(z[l*4*Z_WIDTH +: 4*Z_WIDTH]),
                .z_over(z_over[l*4 +: 4]),
                .c_over(c_over[l*2 +: 2]),
                .h_over(h_over[l])
            );
        end
    endgenerate

    integer k;
    always @* begin
        saturated_z = {COUNT_WIDTH{1'b0}};
        saturated_c = {COUNT_WIDTH{1'b0}};
        saturated_h = {COUNT_WIDTH{1'b0}};
        for (k = 0; k < LANES*4; k = k + 1) saturated_z = saturated_z + {{(COUNT_WIDTH-1){1'b0}}, z_over[k]};
        for (k = 0; k < LANES*2; k = k + 1) saturated_c = saturated_c + {{(COUNT_WIDTH-1){1'b0}}, c_over[k]};
        for (k = 0; k < LANES; k = k + 1) saturated_h = saturated_h + {{(COUNT_WIDTH-1){1'b0}}, h_over[k]};
    end
endmodule
