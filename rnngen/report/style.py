"""The page's style sheet: light, dark, narrow and printed."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --surface: #ffffff; --ink: #15171a; --muted: #5c6066; --rule: #dcdcd6; --grid: #e9e9e4;
  --plan: #8b8f96; --plan-fill: #e3e4e2; --plan-even: #c9cbc9;
  --one: #2468c4; --one-even: #6fa3e6; --two: #c8641a; --good: #1a7f43; --bad: #c22f2f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121315; --surface: #1b1d20; --ink: #eceef0; --muted: #a2a7ae; --rule: #36393e; --grid: #2a2d31;
    --plan: #8b9098; --plan-fill: #3a3e44; --plan-even: #53585f;
    --one: #6aa5f2; --one-even: #3a6fb5; --two: #ee9a55; --good: #5cc98a; --bad: #ff7b72;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 18px 0 4px; }
p { margin: 6px 0; }
section { background: var(--surface); border: 1px solid var(--rule); border-radius: 8px; padding: 18px 20px;
  margin-top: 18px; }
.subtitle, .note { color: var(--muted); }
.note { font-size: 13.5px; }
.absent { color: var(--muted); font-style: italic; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 270px), 1fr)); gap: 12px;
  margin-top: 18px; }
.tiles + p { margin-top: 16px; }
.tile { background: var(--surface); border: 1px solid var(--rule); border-left: 4px solid var(--rule);
  border-radius: 8px; padding: 12px 14px; }
.tile.good { border-left-color: var(--good); }
.tile.bad { border-left-color: var(--bad); }
.tile-name { color: var(--muted); font-size: 13px; }
.tile-value { font-size: 25px; font-weight: 600; line-height: 1.3; }
.tile.bad .tile-value { color: var(--bad); }
.tile-value.absent { font-weight: 400; }
.tile-detail { color: var(--muted); font-size: 13px; }
.scroll, .figure { overflow-x: auto; }
.figure svg { display: block; width: 100%; min-width: 760px; height: auto; }
table { border-collapse: collapse; width: 100%; margin: 8px 0; font-size: 14px; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--muted); font-weight: 500; font-size: 13px; vertical-align: bottom; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td.number + td:not(.number), th.number + th:not(.number) { padding-left: 14px; }
th:last-child, td:last-child { padding-right: 0; }
a { color: var(--one); }
code { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.digest { font-size: 11.5px; color: var(--muted); overflow-wrap: anywhere; }
.badge { display: inline-block; font-size: 12px; line-height: 18px; padding: 0 8px; border-radius: 9px;
  border: 1px solid var(--plan); color: var(--muted); white-space: nowrap; }
.badge.measured { border-color: var(--good); color: var(--good); }
svg text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  fill: var(--ink); }
svg .tick { fill: var(--muted); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .heading { font-weight: 600; }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .axis { stroke: var(--plan); stroke-width: 1; }
svg .mark { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 4 3; }
svg .limit { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 4 3; }
svg .planned { fill: var(--plan-fill); stroke: var(--plan); stroke-width: 0.7; }
svg .planned.even { fill: var(--plan-even); }
svg .simulated { fill: var(--one); }
svg .simulated.even { fill: var(--one-even); }
svg .shade-1 { opacity: 0.2; }
svg .shade-2 { opacity: 0.4; }
svg .shade-3 { opacity: 0.6; }
svg .shade-4 { opacity: 0.8; }
svg .planned.differs, svg .planned.differs.even { stroke: var(--bad); stroke-width: 1.5; }
svg .simulated.differs, svg .simulated.differs.even { fill: var(--bad); }
svg .planned-area { fill: var(--plan-fill); stroke: var(--plan); stroke-width: 0.7; }
svg .planned.first { stroke: var(--ink); stroke-width: 1.6; }
svg .waits { fill: var(--surface); stroke: var(--plan); stroke-width: 1; stroke-dasharray: 2 2; }
svg .flight { stroke: var(--plan); stroke-width: 1.4; }
svg .inside { font-size: 10px; pointer-events: none; }
svg .box { fill: var(--surface); stroke: var(--plan); stroke-width: 1.2; }
svg .box.binds { stroke: var(--ink); stroke-width: 2.6; }
svg .wire { fill: none; stroke: var(--ink); stroke-width: 1.4; }
svg .head { fill: var(--ink); }
svg .load { fill: var(--one); }
svg .gauge { fill: none; stroke: var(--plan); stroke-width: 1; }
svg .series-1, svg .series-2 { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .series-1 { stroke: var(--one); }
svg .series-2 { stroke: var(--two); }
svg .series-1.dot { fill: var(--one); stroke: none; }
svg .series-2.dot { fill: var(--two); stroke: none; }
@media (max-width: 600px) {
  main { padding: 16px 10px 40px; }
  section { padding: 14px 12px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(min(100%, 190px), 1fr)); gap: 8px; }
  .tile-value { font-size: 21px; }
  th, td { white-space: nowrap; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #ffffff; --surface: #ffffff; --ink: #000000; --muted: #444444; --rule: #bbbbbb; --grid: #dddddd;
    --plan: #777777; --plan-fill: #e3e3e3; --plan-even: #c4c4c4;
    --one: #2468c4; --one-even: #6fa3e6; --two: #c8641a; --good: #1a7f43; --bad: #c22f2f;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 11px; }
  main { max-width: none; padding: 0; }
  section { border: none; padding: 8px 0; }
  .tiles { grid-template-columns: repeat(3, 1fr); }
  .figure, .tile, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll, .figure { overflow: visible; }
  .figure svg { min-width: 0; }
  table, th, .note, .badge, code { font-size: 10.5px; line-height: 1.4; }
  .digest { font-size: 9px; }
  td.number { white-space: normal; }
}
"""
