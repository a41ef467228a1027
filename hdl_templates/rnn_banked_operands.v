// What the rows of a bank-balanced engine multiply: the words of x or of h at each row's own places in the banks,
// two cycles behind them.
//
//   index     places: SETS*BANKS of INDEX_WIDTH bits, bank by bank;  operand: what stands there, in the same order
// The rest as in rnn_banked_array.
`default_nettype none
module rnn_banked_operands #(
    parameter BANKS             = 4,
    parameter SETS              = 4,
    parameter INDEX_WIDTH       = 1,
    parameter VECTOR_WIDTH      = 16,
    parameter BANK_WIDTH        = 2,
    parameter HAS_X             = 1,
    parameter X_WIDTH           = 16,
    parameter SHIFT_X           = 0,
    parameter X_LANES           = 1,
    parameter X_DEPTH           = 2,
    parameter X_WORD_WIDTH      = 1,
    parameter X_COUNT_WIDTH     = 1,
    parameter X_ALIGNED         = 1,
    parameter X_STYLE           = "auto",
    parameter HAS_H             = 1,
    parameter H_WIDTH           = 16,
    parameter SHIFT_H           = 0,
    parameter H_LANES           = 1,
    parameter H_DEPTH           = 2,
    parameter H_WORD_WIDTH      = 1,
    parameter H_COUNT_WIDTH     = 1,
    parameter H_ALIGNED         = 1,
    parameter H_STYLE           = "auto"
) (
    input  wire                       clk,
    input  wire [SETS*BANKS*INDEX_WIDTH-1:0] index,
    input  wire [X_WORD_WIDTH-1:0]    x_word,
    input  wire [H_WORD_WIDTH-1:0]    h_word,
    input  wire                       from_x,
    input  wire                       first_step,
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
    output wire [SETS*BANKS*VECTOR_WIDTH-1:0] operand
);
    wire [SETS*BANKS*X_WIDTH-1:0]      x;
    wire [SETS*BANKS*H_WIDTH-1:0]      h;
    wire read_x, read_first;

    rnn_delay #(.WIDTH(2), .CYCLES(1)) delay_choice (
        .clk(clk), .in({from_x, first_step}), .out({read_x, read_first}));

    // Places of x and of h, each with as many bits as the words of its memory have.
    localparam X_PLACE = INDEX_WIDTH < X_WORD_WIDTH ? INDEX_WIDTH : X_WORD_WIDTH;
    localparam H_PLACE = INDEX_WIDTH < H_WORD_WIDTH ? INDEX_WIDTH : H_WORD_WIDTH;
    reg [SETS*BANKS*X_PLACE-1:0] x_index;
    reg [SETS*BANKS*H_PLACE-1:0] h_index;
    integer i;
    always @*
        for (i = 0; i < SETS*BANKS; i = i + 1) begin
            x_index[i*X_PLACE +: X_PLACE] = index[i*INDEX_WIDTH +: X_PLACE];
            h_index[i*H_PLACE +: H_PLACE] = index[i*INDEX_WIDTH +: H_PLACE];
        end

    generate
        if (HAS_X) begin : g_x
            rnn_vector_memory #(
                .WIDTH(X_WIDTH), .BANKS(BANKS), .LANES(X_LANES), .DEPTH(X_DEPTH), .WORD_WIDTH(X_WORD_WIDTH),
                .BANK_WIDTH(BANK_WIDTH), .COUNT_WIDTH(X_COUNT_WIDTH), .ALIGNED(X_ALIGNED), .STYLE(X_STYLE),
                .INDEXED(1), .SETS(SETS), .INDEX_WIDTH(X_PLACE)
            ) vector (
                .clk(clk), .read_word(x_word), .read_index(x_index), .read_data(x), .write_enable(x_write_enable),
                .write_word(x_write_word), .write_bank(x_write_bank), .write_count(x_write_count),
                .write_data(x_write_data));
        end else begin : g_no_x
            wire unused = &{1'b0, x_index, x_word, x_write_enable, x_write_word, x_write_bank, x_write_count, x_write_data};
            assign x = 0;
        end
        if (HAS_H) begin : g_h
            rnn_vector_memory #(
                .WIDTH(H_WIDTH), .BANKS(BANKS), .LANES(H_LANES), .DEPTH(H_DEPTH), .WORD_WIDTH(H_WORD_WIDTH),
                .BANK_WIDTH(BANK_WIDTH), .COUNT_WIDTH(H_COUNT_WIDTH), .ALIGNED(H_ALIGNED), .STYLE(H_STYLE),
                .INDEXED(1), .SETS(SETS), .INDEX_WIDTH(H_PLACE)
            ) vector (
                .clk(clk), .read_word(h_word), .read_index(h_index), .read_data(h), .write_enable(h_write_enable),
                .write_word(h_write_word), .write_bank(h_write_bank), .write_count(h_write_count),
                .write_data(h_write_data));
        end else begin : g_no_h
            wire unused = &{1'b0, h_index, h_word, h_write_enable, h_write_word, h_write_bank, h_write_count, h_write_data};
            assign h = 0;
        end
    endgenerate

    rnn_operand #(
        .COLUMNS(SETS*BANKS), .X_WIDTH(X_WIDTH), .H_WIDTH(H_WIDTH), .SHIFT_X(SHIFT_X), .SHIFT_H(SHIFT_H),
        .OUT_WIDTH(VECTOR_WIDTH)
    ) choose (.clk(clk), .from_x(read_x), .first_step(read_first), .x(x), .h(h), .operand(operand));
endmodule
`default_nettype wire
