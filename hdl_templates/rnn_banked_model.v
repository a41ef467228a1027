// What stands behind the register of rnn_banked_array, for simulation: the same cycles in the form that a simulator builds
// and runs fastest.  Operands are fetched, chosen and multiplied as soon as the word arrives; rnn_sums_model does the rest.
// Not for synthesis.
`ifndef SYNTHESIS
`default_nettype none
module rnn_banked_model #(
    parameter ROWS              = 4,
    parameter BANKS             = 4,
    parameter GROUP_ROWS        = 4,
    parameter SETS              = 4,
    parameter GATES             = 1,
    parameter SHARED            = 1,
    parameter INDEX_WIDTH       = 1,
    parameter WEIGHT_WIDTH      = 8,
    parameter VECTOR_WIDTH      = 16,
    parameter ACC_WIDTH         = 36,
    parameter PRODUCT_STAGES    = 3,
    parameter TREE_STAGES_EVERY = 1,
    parameter SPLIT             = 0,
    parameter BANK_WIDTH        = 2,
    parameter HAS_X             = 1,
    parameter X_WIDTH           = 16,
    parameter SHIFT_X           = 0,
    parameter X_LANES           = 1,
    parameter X_DEPTH           = 2,
    parameter X_WORD_WIDTH      = 1,
    parameter X_COUNT_WIDTH     = 1,
    parameter X_ALIGNED         = 1,
    parameter HAS_H             = 1,
    parameter H_WIDTH           = 16,
    parameter SHIFT_H           = 0,
    parameter H_LANES           = 1,
    parameter H_DEPTH           = 2,
    parameter H_WORD_WIDTH      = 1,
    parameter H_COUNT_WIDTH     = 1,
    parameter H_ALIGNED         = 1
) (
    input  wire                       clk,
    input  wire [ROWS*BANKS*WEIGHT_WIDTH+SETS*BANKS*INDEX_WIDTH-1:0] word,
    input  wire [X_WORD_WIDTH-1:0]    x_word,
    input  wire [H_WORD_WIDTH-1:0]    h_word,
    input  wire                       from_x,
    input  wire                       first_step,
    input  wire                       first,
    input  wire                       first_h,
    input  wire                       last,
    input  wire                       x_write_enable,
    input  wire [X_WORD_WIDTH-1:0]    x_write_word,
    input  wire [BANK_WIDTH-1:0]      x_write_bank,
    input  wire [X_COUNT_WIDTH-1:0]   x_write_count,
    input  wire [X_LANES*X_WIDTH-1:0] x_write_data,
    input  wire                       h_write_enable,
    input  wire [H_WORD_WIDTH-1:0]    h_write_word,
    input  wire [BANK_WIDTH-1:0]      h_write_bank,
    input  wire [H_COUNT_WIDTH-1:0]   h_write_count,
    input  wire [H_LANES*H_WIDTH-1:0] h_write_data,
    output wire [GROUP_ROWS*ACC_WIDTH-1:0] group,
    output wire [(SPLIT ? GROUP_ROWS/3 : 1)*ACC_WIDTH-1:0] group_x
);
    localparam WEIGHTS       = ROWS * BANKS * WEIGHT_WIDTH;
    localparam PRODUCT_WIDTH = WEIGHT_WIDTH + VECTOR_WIDTH;
    localparam TREE_STAGES   = ($clog2(BANKS) + TREE_STAGES_EVERY - 1) / TREE_STAGES_EVERY;
    localparam H_BASE        = X_DEPTH * BANKS;

    // x, and h behind it: element (word w, bank b) of each at w*BANKS+b, as it is multiplied.
    reg signed [VECTOR_WIDTH-1:0]  vectors [0:(X_DEPTH+H_DEPTH)*BANKS-1];
    reg signed [VECTOR_WIDTH-1:0]  operand [0:SETS*BANKS-1];
    reg        [VECTOR_WIDTH-1:0]  element;
    reg signed [PRODUCT_WIDTH-1:0] product;
    reg [ACC_WIDTH-1:0]            sum;
    reg [ROWS*ACC_WIDTH-1:0]       formed, dots;
    reg                            is_zero, formed_first, formed_first_h, formed_last;
    integer                        begins, i, r, c, set;

    wire unused = &{1'b0, X_ALIGNED != 0, H_ALIGNED != 0};

    always @(posedge clk) begin
        // Private to this block, but for what is assigned at its end.
        // verilator lint_off BLKSEQ
        is_zero = from_x ? HAS_X == 0 : HAS_H == 0 || first_step;
        begins  = from_x ? {{(32-X_WORD_WIDTH){1'b0}}, x_word} * BANKS
                         : {{(32-H_WORD_WIDTH){1'b0}}, h_word} * BANKS + H_BASE;
        for (i = 0; i < SETS*BANKS; i = i + 1)
            operand[i] = is_zero ? 0 : vectors[
                begins + {{(32-INDEX_WIDTH){1'b0}}, word[WEIGHTS+i*INDEX_WIDTH +: INDEX_WIDTH]} * BANKS + i / SETS];
        for (r = 0; r < ROWS; r = r + 1) begin
            set = SETS == 1 ? 0 : r/GATES/SHARED*GATES + r%GATES;
            sum = 0;
            for (c = 0; c < BANKS; c = c + 1) begin
                product = $signed(word[(r*BANKS+c)*WEIGHT_WIDTH +: WEIGHT_WIDTH]) * operand[c*SETS+set];
                sum     = sum + {{(ACC_WIDTH-PRODUCT_WIDTH){product[PRODUCT_WIDTH-1]}}, product};
            end
            formed[r*ACC_WIDTH +: ACC_WIDTH] = sum;
        end
        for (i = 0; i < X_LANES; i = i + 1)
            if (x_write_enable && i < {{(32-X_COUNT_WIDTH){1'b0}}, x_write_count}) begin
                element = {{(VECTOR_WIDTH-X_WIDTH){x_write_data[(i+1)*X_WIDTH-1]}}, x_write_data[i*X_WIDTH +: X_WIDTH]};
                vectors[{{(32-X_WORD_WIDTH){1'b0}}, x_write_word} * BANKS + {{(32-BANK_WIDTH){1'b0}}, x_write_bank} + i] =
                    element << SHIFT_X;
            end
        for (i = 0; i < H_LANES; i = i + 1)
            if (h_write_enable && i < {{(32-H_COUNT_WIDTH){1'b0}}, h_write_count}) begin
                element = {{(VECTOR_WIDTH-H_WIDTH){h_write_data[(i+1)*H_WIDTH-1]}}, h_write_data[i*H_WIDTH +: H_WIDTH]};
                vectors[{{(32-H_WORD_WIDTH){1'b0}}, h_write_word} * BANKS + {{(32-BANK_WIDTH){1'b0}}, h_write_bank} + i + H_BASE] =
                    element << SHIFT_H;
            end
        // verilator lint_on BLKSEQ
        dots <= formed;
        {formed_first, formed_first_h, formed_last} <= {first, first_h, last};
    end

    rnn_sums_model #(
        .ROWS(ROWS), .GROUP_ROWS(GROUP_ROWS), .ACC_WIDTH(ACC_WIDTH), .LATENCY(PRODUCT_STAGES + TREE_STAGES + 2),
        .SPLIT(SPLIT)
    ) add (
        .clk(clk), .first(formed_first), .first_h(formed_first_h), .last(formed_last), .dots(dots), .group(group),
        .group_x(group_x));
endmodule
`default_nettype wire
`endif
