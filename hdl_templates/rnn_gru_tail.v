// Element-wise path of LANES GRU hidden units, one group of units a cycle, fully pipelined:
//
//   r, z = sigmoid(narrow(sum + bias))   n = tanh(narrow(n_x + r * n_h))   state' = (1 - z) * n + z * state
//
// sums: lane by lane, within a lane the gates r, z, n from the low bits up, n being the sum of h alone; sums_x: the sum
// of x of gate n. bias: r, z, n, x. N, T, P and R are the stages of a narrowing (0..2), a table (2..5), a product (0..2)
// and a rounding (0..2). Cycles after a group's sums and biases are presented: state must be presented N + T + P + R +
// T later; state_new and h, both rounded from the same sum, are valid P + max(R, 1) behind that. parts: r, z, n_h, n_x
// as they are narrowed, PART_WIDTH bits each (no less than Z_WIDTH and INNER_WIDTH), N later. saturated counts
// narrowings that saturated, over all lanes, of one group each: gates and inner (n_h, n_x) with delay N, n with delay
// N + T + P + min(R + 1, 2), state and h together with them.
module rnn_gru_tail #(
    parameter LANES = 1,
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
    parameter COUNT_WIDTH = 4,
    parameter NARROW_STAGES = 2,
    parameter TABLE_STAGES = 5,
    parameter PRODUCT_STAGES = 2,
    parameter ROUND_STAGES = 2,
    parameter SIGNED_TABLE = 0,
    parameter INIT_FILE = ""
) (
    input  wire                          clk,
    input  wire [LANES*3*ACC_WIDTH-1:0]  sums,
    input  wire [LANES*ACC_WIDTH-1:0]    sums_x,
    input  wire [LANES*4*BIAS_WIDTH-1:0] bias,
    input  wire [LANES*STATE_WIDTH-1:0]  state,
    output wire [LANES*STATE_WIDTH-1:0]  state_new,
    output wire [LANES*H_WIDTH-1:0]      h,
    output wire [LANES*4*PART_WIDTH-1:0] parts,
    output reg  [COUNT_WIDTH-1:0]        saturated_z,
    output reg  [COUNT_WIDTH-1:0]        saturated_inner,
    output reg  [COUNT_WIDTH-1:0]        saturated_n,
    output reg  [COUNT_WIDTH-1:0]        saturated_state,
    output reg  [COUNT_WIDTH-1:0]        saturated_h
);
    wire [LANES*2-1:0] z_over, inner_over;
    wire [LANES-1:0]   n_over, state_over, h_over;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : lane
            rnn_gru_lane #(
                .ACC_WIDTH(ACC_WIDTH), .BIAS_WIDTH(BIAS_WIDTH), .SHIFT_Z(SHIFT_Z), .SHIFT_INNER(SHIFT_INNER),
                .SHIFT_N(SHIFT_N), .Z_WIDTH(Z_WIDTH), .INNER_WIDTH(INNER_WIDTH), .PART_WIDTH(PART_WIDTH),
                .REST_BITS(REST_BITS), .GUARD_BITS(GUARD_BITS), .BASE_WIDTH(BASE_WIDTH), .SLOPE_WIDTH(SLOPE_WIDTH),
                .GATE_FRACTION(GATE_FRACTION), .STATE_WIDTH(STATE_WIDTH), .LEFT_N(LEFT_N), .LEFT_H(LEFT_H),
                .SHIFT_STATE(SHIFT_STATE), .SHIFT_H(SHIFT_H), .H_WIDTH(H_WIDTH), .NARROW_STAGES(NARROW_STAGES),
                .TABLE_STAGES(TABLE_STAGES), .PRODUCT_STAGES(PRODUCT_STAGES), .ROUND_STAGES(ROUND_STAGES),
                .SIGNED_TABLE(SIGNED_TABLE),
                .INIT_FILE(INIT_FILE)
            ) unit (
                .clk(clk),
                .sums(sums[l*3*ACC_WIDTH +: 3*ACC_WIDTH]),
                .sum_x(sums_x[l*ACC_WIDTH +: ACC_WIDTH]),
                .bias(bias[l*4*BIAS_WIDTH +: 4*BIAS_WIDTH]),
                .state(state[l*STATE_WIDTH +: STATE_WIDTH]),
                .state_new(state_new[l*STATE_WIDTH +: STATE_WIDTH]),
                .h(h[l*H_WIDTH +: H_WIDTH]),
                .parts(parts[l*4*PART_WIDTH +: 4*PART_WIDTH]),
                .z_over(z_over[l*2 +: 2]),
                .inner_over(inner_over[l*2 +: 2]),
                .n_over(n_over[l]),
                .state_over(state_over[l]),
                .h_over(h_over[l])
            );
        end
    endgenerate

    integer k;
    always @* begin
        saturated_z     = {COUNT_WIDTH{1'b0}};
        saturated_inner = {COUNT_WIDTH{1'b0}};
        saturated_n     = {COUNT_WIDTH{1'b0}};
        saturated_state = {COUNT_WIDTH{1'b0}};
        saturated_h     = {COUNT_WIDTH{1'b0}};
        for (k = 0; k < LANES*2; k = k + 1) begin
            saturated_z     = saturated_z + {{(COUNT_WIDTH-1){1'b0}}, z_over[k]};
            saturated_inner = saturated_inner + {{(COUNT_WIDTH-1){1'b0}}, inner_over[k]};
        end
        for (k = 0; k < LANES; k = k + 1) begin
            saturated_n     = saturated_n + {{(COUNT_WIDTH-1){1'b0}}, n_over[k]};
            saturated_state = saturated_state + {{(COUNT_WIDTH-1){1'b0}}, state_over[k]};
            saturated_h     = saturated_h + {{(COUNT_WIDTH-1){1'b0}}, h_over[k]};
        end
    end
endmodule
