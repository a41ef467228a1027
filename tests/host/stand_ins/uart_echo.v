// A stand-in for a board: answers every step frame with the same words, header 0xA? turned into 0xB?.
// The memory image fault.hex chooses a fault at run time: 1 keeps the wrong header, 2 swallows the last byte.
module uart_echo #(
    parameter CLOCKS_PER_BIT = 4,
    parameter STEP_BYTES = 4
) (
    input  wire clk25,
    input  wire uart_rx,
    output wire uart_tx
);
    reg [3:0] fault [0:0];
    initial $readmemh("fault.hex", fault);

    reg [7:0] bytes [0:STEP_BYTES];
    reg [7:0] received = 0, sent = 0;
    reg       answering = 0;

    // Receiver: sample in the middle of a bit.
    reg [7:0] rx_timer = 0;
    reg [3:0] rx_bits = 0;
    reg [8:0] rx_shift = 0;
    always @(posedge clk25)
        if (rx_bits == 0) begin
            if (!uart_rx) begin
                rx_bits <= 10;
                rx_timer <= CLOCKS_PER_BIT / 2 - 1;
            end
        end else if (rx_timer != 0) rx_timer <= rx_timer - 1;
        else begin
            rx_timer <= CLOCKS_PER_BIT - 1;
            rx_bits <= rx_bits - 1;
            rx_shift <= {uart_rx, rx_shift[8:1]};
        end
    wire rx_done = rx_bits == 1 && rx_timer == 0;

    // Transmitter.
    reg [9:0] tx_shift = 10'h3FF;
    reg [7:0] tx_timer = 0;
    reg [3:0] tx_bits = 0;
    assign uart_tx = tx_shift[0];
    wire [7:0] head = fault[0] == 1 ? bytes[0] : bytes[0] ^ 8'h10;
    wire [7:0] last_byte = fault[0] == 2 ? STEP_BYTES - 1 : STEP_BYTES;

    always @(posedge clk25) begin
        if (rx_done && !answering) begin
            bytes[received] <= rx_shift[8:1];
            received <= received + 1;
            if (received == STEP_BYTES) begin
                received <= 0;
                answering <= 1;
                sent <= 0;
            end
        end
        if (tx_timer != 0) tx_timer <= tx_timer - 1;
        else if (tx_bits != 0) begin
            tx_bits <= tx_bits - 1;
            tx_shift <= {1'b1, tx_shift[9:1]};
            tx_timer <= CLOCKS_PER_BIT - 1;
        end else if (answering) begin
            if (sent > last_byte) answering <= 0;
            else begin
                tx_shift <= {1'b1, sent == 0 ? head : bytes[sent], 1'b0};
                tx_bits <= 10;
                tx_timer <= CLOCKS_PER_BIT - 1;
                sent <= sent + 1;
            end
        end
    end
endmodule
