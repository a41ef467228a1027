// Sums of several passes over the same rows: each pass adds its own to what the passes before have left.
//
//   group      ROWS sums of a pass, row r at r*ACC_WIDTH
//   address    of the group's partial sums, presented 2 cycles before the group;  fresh: beside it, 1 in the first pass
//   write      1 beside the group, where its sums are kept for the next pass
//   sums       one cycle behind the group: it and the sums kept at its address, added (fresh: it alone)
//   SPLIT      1: the rows come in threes (a GRU's gates r, z, n) and there are two passes, x and h; the third of each
//              leaves as it comes, and what the x pass kept of it leaves beside it as sums_x, one for three rows
//
// A sum that is kept in one pass is read back by a group at least 4 cycles later.  Sums are modulo 2**ACC_WIDTH.
`default_nettype none
module rnn_partial_sums #(
    parameter ROWS          = 4,
    parameter ACC_WIDTH     = 36,
    parameter DEPTH         = 2,
    parameter ADDRESS_WIDTH = 1,
    parameter SPLIT         = 0
) (
    input  wire                                        clk,
    input  wire [ROWS*ACC_WIDTH-1:0]                   group,
    input  wire [ADDRESS_WIDTH-1:0]                    address,
    input  wire                                        fresh,
    input  wire                                        write,
    output reg  [ROWS*ACC_WIDTH-1:0]                   sums,
    output reg  [(SPLIT ? ROWS/3 : 1)*ACC_WIDTH-1:0]   sums_x
);
    // Block RAM is slow: a register stands between it and the adder.  It has no reset, so that block RAM's own can be it.
    wire [ROWS*ACC_WIDTH-1:0] word;
    reg  [ROWS*ACC_WIDTH-1:0] kept;
    reg  [ADDRESS_WIDTH-1:0]  address_1, address_2, address_3;
    reg                       fresh_1, fresh_2, write_1;

    rnn_state_memory #(.WIDTH(ROWS*ACC_WIDTH), .DEPTH(DEPTH), .ADDRESS_WIDTH(ADDRESS_WIDTH)) kept_memory (
        .clk(clk), .read_address(address), .read_data(word),
        .write_enable(write_1), .write_address(address_3), .write_data(sums));

    always @(posedge clk) begin
        address_1 <= address;
        address_2 <= address_1;
        address_3 <= address_2;
        fresh_1   <= fresh;
        fresh_2   <= fresh_1;
        write_1   <= write;
        kept      <= word;
    end

    genvar r;
    generate
        if (SPLIT == 0) begin : g_whole
            always @(posedge clk) sums_x <= {ACC_WIDTH{1'b0}};
        end
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            wire [ACC_WIDTH-1:0] earlier = fresh_2 ? {ACC_WIDTH{1'b0}} : kept[r*ACC_WIDTH +: ACC_WIDTH];
            if (SPLIT != 0 && r % 3 == 2) begin : g_apart
                always @(posedge clk) begin
                    sums[r*ACC_WIDTH +: ACC_WIDTH]       <= group[r*ACC_WIDTH +: ACC_WIDTH];
                    sums_x[(r/3)*ACC_WIDTH +: ACC_WIDTH] <= earlier;
                end
            end else begin : g_added
                always @(posedge clk)
                    sums[r*ACC_WIDTH +: ACC_WIDTH] <= group[r*ACC_WIDTH +: ACC_WIDTH] + earlier;
            end
        end
    endgenerate

    initial begin
        if (ROWS < 1 || DEPTH < 1 || (SPLIT != 0 && ROWS % 3 != 0)) begin
            $display("rnn_partial_sums: ROWS and DEPTH must be at least 1, and ROWS a multiple of 3 with SPLIT, not %0d and %0d.",
                     ROWS, DEPTH);
            $finish;
        end
    end
endmodule
`default_nettype wire
