# Vivado's batch mode, after UG835 (Tcl commands), UG903 (constraints) and UG912 (properties): the commands and options
# that rnngen uses, in the order that the tool allows.  Packaging: vivado_ip.tcl; block designs: vivado_design.tcl.

namespace eval dry {
    variable part {}
    variable constraints {}
    variable files {}
    variable file_type
    array set file_type {}
    variable runs
    array set runs {synth_1 0 impl_1 0}
    variable slack 0.1
    variable standards {
        LVCMOS33 LVCMOS25 LVCMOS18 LVCMOS15 LVCMOS12 LVTTL LVDS LVDS_25 SSTL15 SSTL135 DIFF_SSTL12 DIFF_SSTL15 DIFF_SSTL135
    }
    variable standard
    array set standard {}
    variable parts {
        {^xc7[akz]\d+[a-z]*(csg|cpg|ftg|fgg|sbg|fbg|ffg|clg)\d+-[123]L?$}
        {^xcku\d+p?-[a-z]{4}\d+-[123]-[eic]$}
        {^xczu\d+(cg|eg|ev)-[a-z]{4}\d+-[123]-[eic]$}
    }
    if {[info exists ::env(RNNGEN_DRY_SLACK)]} {
        set slack $::env(RNNGEN_DRY_SLACK)
    }
}

proc dry::check_part {name value} {
    variable parts
    foreach pattern $parts {
        if {[regexp $pattern $value]} {
            return
        }
    }
    fail "$name: a part is such as xc7a35ticsg324-1L or xcku040-ffva1156-2-e, not $value"
}

# UG901: a file of initial contents holds one word a line, and nothing else.
proc dry::check_image {name path} {
    need_file $name $path
    foreach line [split [string trimright [read_text $path] \n] \n] {
        if {![regexp {^[0-9a-fA-F]+$} $line]} {
            fail "$name: $path has a line that is no hexadecimal word: $line"
        }
    }
}

dry::command create_project {-in_memory -force -part:} 0 2 {
    variable part
    refuse_after $name create_project
    if {![info exists opt(-part)]} {
        fail "$name: the option -part is missing"
    }
    check_part $name $opt(-part)
    set part $opt(-part)
    if {[llength $words] == 2} {
        inside $name [lindex $words 1]
        file mkdir [lindex $words 1]
        variable project [file join [lindex $words 1] [lindex $words 0].gen]
    }
    did create_project
}

# What comes next is another project.
dry::command close_project {} 0 0 {
    variable done
    variable ports
    variable modules
    variable sources
    variable files
    variable file_type
    need $name create_project
    array unset ports
    array unset modules
    array unset file_type
    set sources {}
    set files {}
    set done [lmap stage $done {expr {$stage in {create_project update_compile_order} ? [continue] : $stage}}]
}

dry::command current_project {} 0 0 {
    need $name create_project
    return project:
}

dry::command get_filesets {} 1 1 {
    if {$words ni {sources_1 constrs_1 sim_1}} {
        fail "$name: there is no fileset $words"
    }
    return fileset:$words
}

dry::command current_fileset {} 0 0 {
    need $name create_project
    return fileset:sources_1
}

dry::command read_verilog {-sv -library:} 1 1 {
    need $name create_project
    foreach path [lindex $words 0] {
        read_source $name $path
    }
}

dry::command add_files {-norecurse -fileset:sources_1|constrs_1 -scan_for_includes} 1 1 {
    variable files
    variable constraints
    need $name create_project
    foreach path [lindex $words 0] {
        need_file $name $path
        if {$path in $files} {
            fail "$name: $path is there already"
        }
        lappend files $path
        switch -- [file extension $path] {
            .v {
                if {[lindex [split [read_text $path] \n] 0] ne "// stand-in"} {
                    read_source $name $path
                }
            }
            .xdc {
                lappend constraints $path
            }
            .hex {
                check_image $name $path
            }
        }
    }
}

dry::command get_files {-of_objects:} 1 1 {
    variable files
    set found {}
    foreach wanted [lindex $words 0] {
        set matching [lsearch -all -inline -glob $files *$wanted]
        if {$matching eq {}} {
            fail "$name: the project has no file $wanted"
        }
        foreach path $matching {
            lappend found file:$path
        }
    }
    return $found
}

dry::command read_xdc {-unmanaged} 1 1 {
    variable constraints
    need $name create_project
    refuse_after $name synth_design
    need_file $name [lindex $words 0]
    lappend constraints [lindex $words 0]
}

dry::command update_compile_order {-fileset:sources_1|sim_1} 0 0 {
    need $name create_project
    did $name
}

dry::command synth_design {
    -top: -part: -flatten_hierarchy:rebuilt|full|none -mode:default|out_of_context -retiming
    -directive:Default|PerformanceOptimized|AreaOptimized_high|RuntimeOptimized
} 0 0 {
    variable constraints
    variable files
    variable part
    need $name create_project
    refuse_after $name synth_design
    if {[info exists opt(-part)] && $opt(-part) ne $part} {
        fail "$name: the part is $part and not $opt(-part)"
    }
    elaborate $name $opt(-top)
    check_images $name
    foreach path $constraints {
        namespace eval :: [list source $path]
    }
    need $name clocked
    did synth_design
}

# Memory images are files of the project, so that synthesis finds them wherever it runs.
proc dry::check_images {name} {
    variable modules
    variable files
    foreach path [lsort -unique [lmap {- path} [array get modules] {set path}]] {
        foreach {- image} [regexp -all -inline {"([^"\n]+\.hex)"} [strip_verilog [read_text $path]]] {
            if {[lsearch -glob $files *[file tail $image]] < 0} {
                fail "$name: $path reads $image, which is no file of the project"
            }
        }
    }
}

foreach {step before} {
    opt_design synth_design place_design opt_design phys_opt_design place_design route_design place_design
} {
    dry::command $step {-directive:Default|Explore|AggressiveExplore|Quick} 0 0 [string map [list BEFORE $before] {
        need $name BEFORE
        did $name
    }]
}

foreach report {
    report_utilization report_timing_summary report_route_status report_drc report_methodology report_power report_io
    report_clock_utilization
} {
    dry::command $report {-file:% -max_paths:# -nworst:# -delay_type:min_max|max|min -hierarchical -no_detailed_paths} 0 0 {
        need $name synth_design
        write_text $opt(-file) "Dry run: no tool wrote this."
        did $name
    }
}

dry::command get_timing_paths {-max_paths:# -nworst:# -delay_type:max|min -setup -hold} 0 0 {
    need $name route_design
    return path:
}

dry::command get_property {-quiet} 2 2 {
    variable slack
    variable runs
    lassign $words property object
    switch -glob -- $object,$property {
        path:,SLACK {
            return $slack
        }
        bus:*,name {
            return [object $name bus $object]
        }
        run:*,PROGRESS {
            return [expr {$runs([string range $object 4 end]) ? "100%" : "0%"}]
        }
    }
    fail "$name: $object has no property $property here"
}

dry::command write_checkpoint {-force} 1 1 {
    need $name synth_design
    write_text [lindex $words 0] "Dry run: no tool wrote this."
}

dry::command write_bitstream {-force -bin_file} 1 1 {
    need $name route_design
    check_design_rules $name
    write_text [lindex $words 0] "Dry run: no tool wrote this."
    did $name
}

# Rules NSTD-1 and UCIO-1: every port has a pin and an I/O standard; CFGBVS-1 asks for the configuration's voltage.
proc dry::check_design_rules {name} {
    variable standard
    variable cells
    if {[array size cells]} {
        return
    }
    check_placed $name
    foreach bit [all_bits] {
        if {![info exists standard($bit)]} {
            fail "$name: $bit has no IOSTANDARD (NSTD-1)"
        }
    }
}

# Constraints, which are sourced when synthesis begins.
dry::command get_ports {} 1 1 {
    set found {}
    foreach port [lindex $words 0] {
        check_port $name $port
        lappend found port:$port
    }
    return $found
}

dry::command current_design {} 0 0 {
    return design:
}

dry::command create_clock {-name: -period:# -add} 1 1 {
    check_period $name $opt(-period)
    did clocked
}

dry::command set_false_path {-from: -to:} 0 0 {
    if {![array size opt]} {
        fail "$name: neither -from nor -to"
    }
}

proc dry::set_one {name property value object} {
    variable standards
    variable standard
    regexp {^([a-z]+):(.*)$} $object - kind of
    if {![info exists kind]} {
        fail "$name: $object is no object"
    }
    switch -- $kind {
        port {
            switch -- $property {
                PACKAGE_PIN {
                    place $name $of $value
                }
                IOSTANDARD {
                    if {$value ni $standards} {
                        fail "$name: no I/O standard is $value"
                    }
                    set standard($of) $value
                }
                SLEW {
                    check_value $name $property SLOW|FAST|MEDIUM $value
                }
                DRIVE {
                    check_value $name $property 4|8|12|16|24 $value
                }
                PULLTYPE {
                    check_value $name $property PULLUP|PULLDOWN|KEEPER $value
                }
                DIFF_TERM - DIFF_TERM_ADV {
                    check_value $name $property TRUE|FALSE|TERM_100|TERM_NONE $value
                }
                ODT {
                    check_value $name $property RTT_40|RTT_48|RTT_60|RTT_NONE $value
                }
                default {
                    fail "$name: a port has no property $property here"
                }
            }
        }
        design {
            switch -glob -- $property {
                CFGBVS {
                    check_value $name $property VCCO|GND $value
                }
                CONFIG_VOLTAGE {
                    check_value $name $property 1.5|1.8|2.5|3.3 $value
                }
                BITSTREAM.* {}
                default {
                    fail "$name: a design has no property $property here"
                }
            }
        }
        project {
            switch -- $property {
                target_language {
                    check_value $name $property Verilog|VHDL $value
                }
                board_part {
                    if {![regexp {^[\w.-]+:[\w-]+:part0:\d+\.\d+$} $value]} {
                        fail "$name: a board part is such as xilinx.com:zcu104:part0:1.1, not $value"
                    }
                }
                ip_repo_paths {
                    inside $name $value
                    did ip_repo_paths
                }
                default {
                    fail "$name: a project has no property $property here"
                }
            }
        }
        fileset {
            if {$property ne "top"} {
                fail "$name: a fileset has no property $property here"
            }
            variable top $value
        }
        file {
            if {$property ne "file_type" || $value ne "Memory Initialization Files"} {
                fail "$name: a file has no property $property of $value here"
            }
            variable file_type
            set file_type($of) $value
        }
        default {
            if {[info procs ::dry::set_$kind] eq ""} {
                fail "$name: $object has no properties here"
            }
            set_$kind $name $property $value $of
        }
    }
}

dry::command set_property {-dict:} 1 3 {
    if {[info exists opt(-dict)]} {
        set pairs $opt(-dict)
        set objects [lindex $words 0]
    } else {
        set pairs [lrange $words 0 1]
        set objects [lindex $words 2]
    }
    if {[llength $pairs] % 2 || ![llength $pairs] || ![llength $objects]} {
        fail "$name: properties come in pairs, and with an object: $words"
    }
    foreach object $objects {
        foreach {property value} $pairs {
            set_one $name $property $value $object
        }
    }
}

proc dry::finish {} {
    variable done
    variable slack
    need "the end" report_utilization report_timing_summary
    if {$slack >= 0} {
        need "the end" write_bitstream
    } elseif {"write_bitstream" in $done} {
        fail "a bitstream was written although the clock is missed"
    }
}

source [file join $dry::here vivado_ip.tcl]
source [file join $dry::here vivado_design.tcl]
