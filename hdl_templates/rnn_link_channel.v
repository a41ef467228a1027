// A link's PHY and line for simulation, one direction, the same for the same seed.
//
// A word in a cycle with tx_valid comes out `latency` (2 or more) tx_clk cycles later at equal clocks, one an rx_clk
// cycle: where rx_clk is slower, words wait, and idle cycles are what it catches up in; beyond DEPTH words they are lost.
// Probabilities are in units of 2**-32:
//   bit_errors    of each bit of a word, its start flag included, to be inverted
//   start_errors  of each word to have its start flag inverted beside that
//   bursts        of each word to begin a loss of burst_words words
// cut: words are lost, and nobody is told; down: the same, and `up` says so.
module rnn_link_channel #(
    parameter WIDTH = 64,
    parameter ADDRESS_WIDTH = 12,
    parameter DEPTH = 4096
) (
    input  wire             rst,
    input  wire [63:0]      seed,
    input  wire [15:0]      latency,
    input  wire [31:0]      bit_errors,
    input  wire [31:0]      start_errors,
    input  wire [31:0]      bursts,
    input  wire [15:0]      burst_words,
    input  wire             cut,
    input  wire             down,
    output wire             up,

    input  wire             tx_clk,
    input  wire [WIDTH-1:0] tx_data,
    input  wire             tx_start,
    input  wire             tx_valid,
    output wire             tx_ready,

    input  wire             rx_clk,
    output reg  [WIDTH-1:0] rx_data,
    output reg              rx_start,
    output reg              rx_valid
);
    reg [WIDTH:0] words [0:(1<<ADDRESS_WIDTH)-1];
    reg [31:0]    dues  [0:(1<<ADDRESS_WIDTH)-1];
    reg [ADDRESS_WIDTH:0] written, read;
    reg [31:0] now;
    reg [63:0] random;
    reg [15:0] losing;

    function [63:0] next(input [63:0] x);
        reg [63:0] y;
        begin
            y = x ^ (x << 13);
            y = y ^ (y >> 7);
            next = y ^ (y << 17);
        end
    endfunction

    // What happens to this word.
    reg [WIDTH:0] wrong;
    reg begins, flips;
    reg [63:0] draw;
    integer k;
    always @* begin
        draw = random;
        wrong = {WIDTH+1{1'b0}};
        if (bit_errors != 0)
            for (k = 0; k <= WIDTH; k = k + 1) begin
                draw = next(draw);
                wrong[k] = draw[63:32] < bit_errors;
            end
        draw = next(draw);
        flips = draw[63:32] < start_errors;
        draw = next(draw);
        begins = draw[63:32] < bursts;
    end

    wire full = written - read >= DEPTH[ADDRESS_WIDTH:0];
    wire lost = cut || down || begins || losing != 0 || full;
    assign tx_ready = 1'b1;
    assign up = !down;
    always @(posedge tx_clk) begin
        now <= now + 1;
        if (tx_valid) begin
            random <= draw;
            if (losing != 0) losing <= losing - 1;
            else if (begins) losing <= burst_words - 1;
            if (!lost) begin
                words[written[ADDRESS_WIDTH-1:0]] <= {tx_start, tx_data} ^ wrong ^ {flips, {WIDTH{1'b0}}};
                dues[written[ADDRESS_WIDTH-1:0]] <= now + {16'd0, latency} - 1;
                written <= written + 1;
            end
        end
        if (rst) begin
            now <= 0;
            random <= seed;
            losing <= 0;
            written <= 0;
        end
    end

    wire there = read != written && now >= dues[read[ADDRESS_WIDTH-1:0]];
    always @(posedge rx_clk) begin
        rx_valid <= there;
        if (there) begin
            {rx_start, rx_data} <= words[read[ADDRESS_WIDTH-1:0]];
            read <= read + 1;
        end
        if (rst) begin
            read <= 0;
            rx_valid <= 1'b0;
        end
    end
endmodule
