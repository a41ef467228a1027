// Signed saturation of IN_WIDTH bits to OUT_WIDTH bits; combinational. `saturated` tells that it changed the value.
module rnn_saturate #(
    parameter IN_WIDTH = 20,
    parameter OUT_WIDTH = 16
) (
    input  wire [IN_WIDTH-1:0]  in,
    output wire [OUT_WIDTH-1:0] out,
    output wire                 saturated
);
    generate
        if (IN_WIDTH <= OUT_WIDTH) begin : extend
            wire [OUT_WIDTH:0] extended = {{(OUT_WIDTH + 1 - IN_WIDTH){in[IN_WIDTH-1]}}, in};
            assign out = extended[OUT_WIDTH-1:0];
            assign saturated = 1'b0;
        end else begin : limit
            wire sign = in[IN_WIDTH-1];
            assign saturated = |(in[IN_WIDTH-2:OUT_WIDTH-1] ^ {(IN_WIDTH-OUT_WIDTH){sign}});
            assign out = saturated ? {sign, {(OUT_WIDTH-1){~sign}}} : in[OUT_WIDTH-1:0];
        end
    endgenerate
endmodule
