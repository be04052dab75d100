# The Swin paper's box heads: 4 convolutions and 1 fully connected layer with SyncBN, one box per class, GIoU on decoded
# boxes. Its lr of 1e-4 and its 500 steps of warm-up were chosen for 8 GPUs x 2 = 16 images.
_base_ = "./cascade-mask-rcnn_swin-s_blog.py"

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
param_scheduler = [dict(_base_.param_scheduler[0], end=500), _base_.param_scheduler[1]]
