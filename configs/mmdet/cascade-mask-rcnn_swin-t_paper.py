# The Swin paper's recipe, a delta on the blog's. Box heads: 4 convolutions and 1 fully connected layer with SyncBN, one
# box per class, GIoU on decoded boxes. Fields as in SwinTransformer/Swin-Transformer-Object-Detection @c7b2011, where
# MMDetection 3 has them under other names; the plan names the backbone's file.
_base_ = "./cascade-mask-rcnn_swin-t_blog.py"

paper_head = dict(
    type="ConvFCBBoxHead",
    num_shared_convs=4,
    num_shared_fcs=1,
    conv_out_channels=256,
    norm_cfg=dict(type="SyncBN", requires_grad=True),
    reg_class_agnostic=False,
    reg_decoded_bbox=True,
    loss_bbox=dict(type="GIoULoss", loss_weight=10.0),
)
model = dict(roi_head=dict(bbox_head=[dict(head, **paper_head) for head in _base_.model.roi_head.bbox_head]))

# lr 1e-4 and schedule_1x's 500 steps of warm-up go with 8 GPUs x 2 = 16 images a step. Fewer GPUs take more images
# each, still 2 at a time: losses are means over the same 2, and only SyncBN's statistics are of fewer (GPUs x 2).
images_at_once = 2
param_scheduler = [dict(_base_.param_scheduler[0], end=500), _base_.param_scheduler[1]]

# The paper used apex O1. Ours is its nearest: autocast, and a scale that starts at apex's 65536 and moves by its rules.
optim_wrapper = dict(loss_scale="dynamic")
